"""Objects followed over time, and what they do: multi-object tracking, zones, lines, dwell and speed."""
