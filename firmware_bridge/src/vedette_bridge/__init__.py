"""The bridge to a camera's firmware, and to other people's cameras. Needs pyserial, and nothing else.

>>> from vedette_bridge import MoveTo, open_camera
>>> with open_camera("visca:///dev/ttyUSB0") as camera:  # doctest: +SKIP
...     camera.ptz(MoveTo(pan_deg=30.0)).wait()
"""

import importlib
from typing import TYPE_CHECKING, Any

from vedette_bridge.camera import (
    Camera,
    CameraDetection,
    CameraFrame,
    Caps,
    Parameter,
    TimeOffset,
    Value,
)
from vedette_bridge.drivers import DriverSpec, find_driver, load_drivers, open_camera
from vedette_bridge.errors import (
    AuthError,
    DeviceError,
    DriverError,
    LinkDownError,
    LinkError,
    LinkTimeoutError,
    NotSupportedError,
    ParameterError,
    PortBusyError,
    PortError,
    PortGoneError,
    ProtocolError,
    SessionResetError,
)
from vedette_bridge.ptz import (
    Drive,
    Home,
    Move,
    MoveBy,
    MoveTo,
    Preset,
    PtzCommand,
    PtzPosition,
    Stop,
)

if TYPE_CHECKING:
    from vedette_bridge.protocols.vlp.aio import AsyncBridge
    from vedette_bridge.protocols.vlp.camera import VlpCamera, open_bridge

__all__ = [
    "AsyncBridge",
    "AuthError",
    "Camera",
    "CameraDetection",
    "CameraFrame",
    "Caps",
    "DeviceError",
    "Drive",
    "DriverError",
    "DriverSpec",
    "Home",
    "LinkDownError",
    "LinkError",
    "LinkTimeoutError",
    "Move",
    "MoveBy",
    "MoveTo",
    "NotSupportedError",
    "Parameter",
    "ParameterError",
    "PortBusyError",
    "PortError",
    "PortGoneError",
    "Preset",
    "ProtocolError",
    "PtzCommand",
    "PtzPosition",
    "SessionResetError",
    "Stop",
    "TimeOffset",
    "Value",
    "VlpCamera",
    "find_driver",
    "load_drivers",
    "open_bridge",
    "open_camera",
]
__version__ = "0.1.0"

_LATER = {
    "AsyncBridge": "vedette_bridge.protocols.vlp.aio",
    "VlpCamera": "vedette_bridge.protocols.vlp.camera",
    "open_bridge": "vedette_bridge.protocols.vlp.camera",
}
"""Where the names are whose import takes time: what loads this package as a plugin should not pay for them."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'vedette_bridge' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
