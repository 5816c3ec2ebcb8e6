"""Every error that Vedette raises on purpose.

A message says *what* went wrong and *which* thing it concerns; ``fix`` says what to do next.
"""

from __future__ import annotations


class VedetteError(Exception):
    """Base of all errors of Vedette.

    Parameters
    ----------
    message
        What went wrong, naming the thing concerned (file, plugin, stage, tensor ...).
    fix
        What the reader can do about it; appended to the message.
    """

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.fix}" if self.fix else self.message


class PluginError(VedetteError):
    """A plugin cannot be loaded, breaks a hook's contract, or a name it should provide is missing."""


class BundleError(VedetteError):
    """A bundle cannot be read, written or trusted."""


class BackendError(VedetteError):
    """A runtime cannot load or run a model, or a tensor does not fit the model."""


class PipelineError(VedetteError):
    """A pipeline cannot be built or has to stop."""


class StageError(PipelineError):
    """A stage raised. ``provider`` names plugin, distribution and version; the cause is in ``__cause__``."""

    def __init__(self, stage: str, provider: str, cause: Exception) -> None:
        what = str(cause) if isinstance(cause, VedetteError) else f"{type(cause).__name__}: {cause}"
        super().__init__(f"stage {stage!r} ({provider}): {what}")
        self.stage = stage
        self.provider = provider
        self.__cause__ = cause


class ConfigError(PipelineError):
    """A configuration is wrong; the message starts with the path of the offending entry."""


class SourceError(PipelineError):
    """A source cannot be opened or read."""


class ResultError(VedetteError, ValueError):
    """The columns of a result do not fit together (dtype, shape or length)."""


class LinkError(VedetteError):
    """A link to a camera's firmware failed."""


class EndOfStream(Exception):  # noqa: N818 - a signal like StopIteration, not a failure
    """Raised by :meth:`vedette.specs.Source.read` when a source has no more images."""
