"""What goes wrong when a model is quantised."""

from __future__ import annotations

from vedette.errors import VedetteError


class QuantiseError(VedetteError):
    """A model cannot be quantised: its operators, its calibration data, or the accuracy that is asked for."""
