"""The sink ``webhook``."""
