"""Every error that this package raises on purpose.

A message says *what* went wrong and *which* port, camera or driver it concerns; ``fix`` says what to do next. The shape
is that of Vedette's own errors, but this package works without Vedette: its plugin translates them.
"""

from __future__ import annotations


class LinkError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message
        What went wrong, naming the thing concerned (port, camera, driver, parameter ...).
    fix
        What the reader can do about it; appended to the message.
    """

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.fix}" if self.fix else self.message


class DriverError(LinkError):
    """No driver speaks this protocol, or the one that does cannot be loaded."""


class PortError(LinkError):
    """A port cannot be opened."""


class PortBusyError(PortError):
    """Another program holds the port."""


class PortGoneError(PortError):
    """The port vanished while it was open: unplugged, or the other side closed it."""


class LinkTimeoutError(LinkError, TimeoutError):
    """The camera did not answer, or sent no image, in the time given."""


class LinkDownError(LinkError):
    """The link was given up: nothing valid came for too long, or nothing was acknowledged."""


class QueueFullError(LinkError):
    """More waits to be sent than the link keeps: the other side takes it too slowly. Nothing was queued."""


class SessionResetError(LinkError):
    """The other side started anew: what was under way did not arrive, or cannot be known to have arrived."""


class AuthError(LinkError):
    """The other side does not prove that it has the key, or does not accept ours."""


class ProtocolError(LinkError):
    """What arrived is not what the protocol allows."""


class DeviceError(LinkError):
    """The camera understood and refused.

    ``code`` is the protocol's own word for it, e.g. ``RANGE`` or ``not executable``.
    """

    def __init__(self, message: str, *, code: str, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.code = code


class NotSupportedError(LinkError):
    """The camera, its protocol or its driver cannot do this at all."""


class ParameterError(LinkError, ValueError):
    """A parameter is not known, or its value is of the wrong type or out of range. Nothing was sent."""
