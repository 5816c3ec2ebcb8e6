"""Sinks that bring events to other machines, and lose none on the way: ``mqtt`` and ``webhook``."""
