"""What comes behind the decoder: scores that are smoothed in time, what is unusual as boxes, and events."""
