"""Camera: one face for every camera that a driver reaches, whatever its protocol.

    with open_camera("visca:///dev/ttyUSB0?address=1") as camera:
        camera.ptz(MoveTo(pan_deg=30, zoom=0.5)).wait()

What a camera, its protocol or its driver cannot do raises :class:`~vedette_bridge.errors.NotSupportedError`.
``caps().methods`` says beforehand what it can do.

Standard parameters, for :meth:`Camera.get` and :meth:`Camera.set`, with their types and units:

=================  ===================  ===========================================================
``exposure_us``    int                  exposure time in microseconds; 0 = automatic
``gain_q8``        int                  gain as a factor in 1/256: 256 = 1.0; 0 = automatic
``gain_db``        float                gain in decibels, for cameras that have no factor
``roi``            (x, y, w, h)         pixels of the sensor that are read out
``fps``            float                images per second; 0 = only when triggered
``format``         str                  coding of the images: a fourcc, see :class:`CameraFrame`
``quality``        int                  of compression, 1 (small) .. 100 (good)
``flip``           str                  ``none``, ``h``, ``v`` or ``hv``
``led``            int                  brightness of the lamp, 0 .. 255
``gpio``           int                  levels of the output pins, pin 0 in bit 0
=================  ===================  ===========================================================

A driver may have more, under names of its own; ``caps().parameters`` lists them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, NamedTuple, Self

from vedette_bridge.errors import NotSupportedError
from vedette_bridge.ptz import Move, PtzCommand, PtzPosition

Value = bool | int | float | str | bytes | tuple[int, ...]
"""What a parameter can be."""

Method = Literal["get", "set", "trigger", "frames", "ptz", "ptz_position", "time_offset", "send_detections"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a camera. ``minimum`` and ``maximum`` bound a number, ``choices`` a word."""

    name: str
    unit: str = ""
    readable: bool = True
    writable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a camera is and can do, as far as it says.

    Attributes
    ----------
    driver
        Name of the driver.
    vendor, model, serial, firmware
        The camera's own words; empty where the protocol has none.
    methods
        The methods of :class:`Camera` that do not raise ``NotSupportedError``.
    parameters
        By name, what :meth:`Camera.get` and :meth:`Camera.set` take.
    formats
        The fourccs that its images can have; empty where it does not say.
    extra
        Whatever else it says, for people to read.
    """

    driver: str
    vendor: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    methods: frozenset[Method] = frozenset()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraFrame:
    """One image as a camera sent it. Nothing is decoded.

    Attributes
    ----------
    data
        The bytes, read-only. They stay valid as long as somebody holds them.
    fourcc
        Their coding: ``JPEG``, ``PNG ``; ``GREY`` 8-bit grey, ``RGBP`` RGB565 little-endian, ``YUYV``, ``BA81`` 8-bit
        Bayer BGGR (Linux' names); for others the driver's documentation says.
    size_wh
        Width and height in pixels; ``(0, 0)`` where the protocol does not say.
    stride
        Bytes per row of an uncompressed image; 0 where rows follow each other without a gap, or are compressed.
    image_id
        The camera's number of this image, unique within a session: results are sent back under it.
    t_capture_ns
        When exposure began, on this machine's ``time.monotonic_ns``.
    uncertainty_ns
        Bounds the error of ``t_capture_ns``.
    origin
        ``device``: the camera stamped the image by its own clock, which was converted; ``arrival``: this machine
        stamped it when its first byte came.
    t_device_ns
        The camera's own stamp, by its own clock; ``None`` where there is none.
    exposure_us
        Exposure time in microseconds; 0 where the camera does not say.
    dropped_before
        Images that the camera is known to have taken since the last frame that was handed over, and that are lost.
    session
        Rises when the camera or the link began anew; ``image_id`` means something within one session only.
    """

    data: memoryview
    fourcc: str
    size_wh: tuple[int, int]
    image_id: int
    t_capture_ns: int
    uncertainty_ns: int
    origin: Literal["device", "arrival"]
    t_device_ns: int | None = None
    exposure_us: int = 0
    stride: int = 0
    dropped_before: int = 0
    session: int = 0


class CameraDetection(NamedTuple):
    """Something found in an image, to be told to the camera.

    ``xyxy`` are the corners (left, top, right, bottom) in pixels of the image, ``confidence`` is 0 .. 1, ``track_id``
    is 0 where nothing is tracked.
    """

    xyxy: tuple[float, float, float, float]
    confidence: float
    class_id: int
    track_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOffset:
    """The camera's clock minus this machine's ``time.monotonic_ns``, in ns, and a bound of its error."""

    offset_ns: int
    uncertainty_ns: int


class Camera:
    """The face. A driver overrides what its protocol can do; the rest raises ``NotSupportedError``.

    Every method may be called from any thread, and may raise :class:`~vedette_bridge.errors.LinkError`: the port
    vanished, nothing answered in time, or the camera refused. After :meth:`close` all of them do.

    Parameters
    ----------
    name
        What messages call this camera, e.g. ``visca camera on /dev/ttyUSB0``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def caps(self) -> Caps:
        """What the camera is and can do. Asked of it once, then remembered."""
        raise NotImplementedError

    def get(self, *names: str) -> dict[str, Value]:
        """The present values of parameters; without names, of all that can be read.

        Raises
        ------
        ParameterError
            There is no such parameter.
        """
        raise self._unable("has no parameters to read")

    def set(self, **parameters: Value) -> dict[str, Value]:
        """Set parameters, in the order given, and return the values that the camera took.

        Raises
        ------
        ParameterError
            There is no such parameter, or its value is out of range. None was set.
        DeviceError
            The camera refused one; those before it are set.
        """
        raise self._unable("has no parameters to set")

    def trigger(self) -> None:
        """Take one image. It comes from :meth:`frames`."""
        raise self._unable("cannot be triggered")

    def frames(self, timeout_s: float = 1.0) -> Iterator[CameraFrame]:
        """Images, until the caller stops asking. A slow caller loses the oldest, never the freshest.

        Raises
        ------
        LinkTimeoutError
            No image came for ``timeout_s``. The iterator can be asked for anew.
        """
        raise self._unable("sends no images")

    def ptz(self, command: PtzCommand) -> Move:
        """Give the camera a command to move. Returns when it has taken it; :meth:`Move.wait` waits until it is done.

        Raises
        ------
        NotSupportedError
            It cannot do this command.
        DeviceError
            It refused.
        """
        raise self._unable("cannot move")

    def ptz_position(self) -> PtzPosition:
        """Where the camera looks now."""
        raise self._unable("does not say where it looks")

    def time_offset(self) -> TimeOffset:
        """How the camera's clock relates to this machine's."""
        raise self._unable("has no clock to compare with")

    def send_detections(self, frame: CameraFrame | int, detections: Iterable[CameraDetection]) -> None:
        """Tell the camera what was found in one of its images, named by the frame or its ``image_id``."""
        raise self._unable("takes no detections")

    def stats(self) -> Mapping[str, int]:
        """Counters since the camera was opened: bytes, messages, and one for every kind of loss or damage."""
        return {}

    def close(self) -> None:
        """Let go of the port. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _unable(self, what: str) -> NotSupportedError:
        return NotSupportedError(f"{self.name} {what}")
