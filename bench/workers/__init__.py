"""Programs that a benchmark runs beside itself, each in its own environment; see ``protocol.py``."""
