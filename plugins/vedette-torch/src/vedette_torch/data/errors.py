"""What is raised when data cannot be read at all; what is wrong with single files is a list of problems."""

from vedette.errors import VedetteError


class DataError(VedetteError):
    """Data is not of the layout that was asked for, or has problems and was to have none."""
