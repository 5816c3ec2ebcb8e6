"""The sink ``mqtt``."""
