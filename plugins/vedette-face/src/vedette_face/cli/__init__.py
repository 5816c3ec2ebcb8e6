"""`vedette face`."""
