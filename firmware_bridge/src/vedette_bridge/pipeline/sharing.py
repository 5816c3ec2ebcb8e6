"""One open link per camera in this process, shared by the source, the sinks and the stages that name it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from vedette_bridge.camera import CameraFrame
from vedette_bridge.errors import LinkDownError, ParameterError
from vedette_bridge.protocols.vlp.camera import VlpCamera, parse_address
from vedette_bridge.shells.keys import read_key

REMEMBERED = 256


class Shared:
    """A camera and those who use it. ``users`` counts who holds it open."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.users = 0
        self.lock = threading.Lock()
        self.options: Mapping[str, str] = {}
        self._camera: VlpCamera | None = None
        self._taken: OrderedDict[tuple[int, int], CameraFrame] = OrderedDict()

    @property
    def camera(self) -> VlpCamera:
        """The open link.

        Raises
        ------
        LinkDownError
            Nobody has opened it.
        """
        if self._camera is None:
            raise LinkDownError(
                f"the camera on {self.port} is not open", fix="a stream must have it as its source"
            )
        return self._camera

    def open(self, address: str, key: bytes | None) -> None:
        """Connect, unless it is open; anew if the link has failed for good. Raises ``LinkError``."""
        uri, options = parse_address(address, {})
        with self.lock:
            if self._camera is not None and not self._camera.failed:
                if uri.options and self.options and dict(uri.options) != dict(self.options):
                    raise ParameterError(
                        f"the camera on {self.port} is open already with other options",
                        fix="give options in one place: the address of its source",
                    )
                self._camera.wait_until_up(options.timeout_s)
                return
            if self._camera is not None:
                self._camera.close()
                self._camera = None
            self._camera = VlpCamera.connect(uri.port_url, options, key=key or read_key(options.key))
            self.options = uri.options

    def close(self) -> None:
        """Nobody uses it any more."""
        with self.lock:
            camera, self._camera = self._camera, None
            self._taken.clear()
        if camera is not None:
            camera.close()

    def took(self, seq: int, mono_ns: int, frame: CameraFrame) -> None:
        """An image went into a pipeline under this number and time."""
        self._taken[seq, mono_ns] = replace(frame, data=memoryview(b""))
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)

    def find(self, seq: int, mono_ns: int) -> CameraFrame | None:
        """The image that went in so, without its bytes; ``None`` if it is none of the last ones of this camera."""
        return self._taken.get((seq, mono_ns))


_lock = threading.Lock()
_shared: dict[str, Shared] = {}


class Lease:
    """Holds a camera open until :meth:`release`."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._released = False

    def release(self) -> None:
        """Let go; the last one closes it. May be called twice."""
        with _lock:
            if self._released:
                return
            self._released = True
            self.shared.users -= 1
            last = self.shared.users == 0
            if last:
                del _shared[self.shared.port]
        if last:
            self.shared.close()


def port_of(address: str) -> str:
    """What tells cameras apart: their port. Raises ``ParameterError`` for what is no address."""
    uri, _ = parse_address(address, {})
    return uri.port_url


def acquire(address: str, key: bytes | None = None) -> Lease:
    """The camera at an address, opened if nobody has done so. Raises ``LinkError``."""
    port = port_of(address)
    with _lock:
        shared = _shared.setdefault(port, Shared(port))
        shared.users += 1
    lease = Lease(shared)
    try:
        shared.open(address, key)
    except BaseException:
        lease.release()
        raise
    return lease


def borrow(address: str) -> Shared:
    """The camera that somebody else holds open.

    Raises
    ------
    LinkDownError
        Nobody does.
    """
    with _lock:
        shared = _shared.get(port_of(address))
    if shared is None:
        raise LinkDownError(
            f"the camera at {address.partition('?')[0]} is not open",
            fix="a stream of this program must have it as its source",
        )
    return shared
