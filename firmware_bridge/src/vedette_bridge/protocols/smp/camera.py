"""A device that speaks SMP (Zephyr's MCUmgr, MCUboot), through smpclient: is it there, what runs on it, and its update.

It has none of a camera's methods: this driver is for the firmware under them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vedette_bridge.camera import Camera, Caps
from vedette_bridge.errors import (
    DeviceError,
    DriverError,
    LinkError,
    LinkTimeoutError,
    PortGoneError,
    ProtocolError,
)
from vedette_bridge.port import Port
from vedette_bridge.protocols.smp.transport import ConsoleTransport, at_port
from vedette_bridge.uri import CameraUri

UDP_PORT = 1337
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class SmpOptions:
    """``timeout_s`` holds for one request; the first of an upload may take ``erase_s``, in which flash is erased."""

    baud: int = 115200
    timeout_s: float = 2.5
    erase_s: float = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSlot:
    """One firmware image on the device; ``hash`` is MCUboot's, in hexadecimal digits."""

    image: int
    slot: int
    version: str
    hash: str
    active: bool
    confirmed: bool
    pending: bool


def open_smp(uri: CameraUri, options: SmpOptions) -> Camera:
    """Connect over a serial port or a pyserial URL (console framing) or, given a host, over UDP, and say hello.

    Raises
    ------
    DriverError
        smpclient is not installed.
    PortError
        The port cannot be opened.
    LinkTimeoutError
        Nothing answers.
    """
    try:
        import smpclient
        from smpclient.transport.udp import SMPUDPTransport
    except ImportError as error:
        raise DriverError("driver 'smp' needs smpclient", fix="pip install 'vedette-bridge[smp]'") from error
    transport: Any
    if not uri.local and uri.transport in ("", "udp"):
        address, number = uri.host_port(UDP_PORT)
        transport = at_port(SMPUDPTransport, number)
    else:
        address, transport = uri.target, ConsoleTransport(Port(uri.port_url, options.baud))
    return SmpCamera(
        smpclient.SMPClient(transport, address, options.timeout_s), transport, uri.target, options
    )


class SmpCamera(Camera):
    """Echo, firmware images, reset. Safe to use from several threads; one request at a time."""

    def __init__(self, client: Any, transport: Any, place: str, options: SmpOptions) -> None:
        super().__init__(f"smp device on {place}")
        self._client = client
        self._transport = transport
        self._options = options
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()
        self._requests = self._failures = 0
        self._closed = False
        try:
            self._run(client.connect)
            self.echo("hello")
        except BaseException:
            self.close()
            raise

    def caps(self) -> Caps:
        images = self.images()
        active = next((image for image in images if image.active), None)
        return Caps(
            driver="smp",
            firmware=active.version if active else "",
            extra={
                f"image {image.image} slot {image.slot}": f"{image.version} {image.hash[:16]}"
                for image in images
            },
        )

    def echo(self, text: str) -> str:
        """What the device sends back: the same text."""
        from smpclient.requests.os_management import EchoWrite

        return str(self._ask(EchoWrite(d=text)).r)

    def images(self) -> list[ImageSlot]:
        """The firmware images on the device."""
        from smpclient.requests.image_management import ImageStatesRead

        return _slots(self._ask(ImageStatesRead()))

    def upload(self, image: bytes, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Write a firmware image to the second slot. It is not started before :meth:`test` and :meth:`reset`.

        ``progress(done, total)`` is called in bytes after each piece.
        """

        async def run() -> None:
            pieces = self._client.upload(
                image, first_timeout_s=self._options.erase_s, subsequent_timeout_s=self._options.timeout_s
            )
            async for done in pieces:
                progress(done, len(image))

        self._run(run)

    def test(self, hash: str) -> list[ImageSlot]:
        """Start this image once, at the next reset; one that is not confirmed then is taken back at the one after."""
        return self._set_state(hash=bytes.fromhex(hash))

    def confirm(self) -> list[ImageSlot]:
        """Keep the image that runs now."""
        return self._set_state(confirm=True)

    def reset(self) -> None:
        """Restart the device. The port vanishes with it, where it is USB."""
        from smpclient.requests.os_management import ResetWrite

        self._ask(ResetWrite())

    def stats(self) -> Mapping[str, int]:
        line = self._transport.counters if isinstance(self._transport, ConsoleTransport) else {}
        return {"requests": self._requests, "failures": self._failures, **line}

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._runner.run(self._client.disconnect())
            except Exception:  # it was never connected, or the port is gone: closed all the same
                self._failures += 1
            self._runner.close()

    def _set_state(self, **state: Any) -> list[ImageSlot]:
        from smpclient.requests.image_management import ImageStatesWrite

        return _slots(self._ask(ImageStatesWrite(**state)))

    def _ask(self, request: Any) -> Any:
        from smpclient.generics import error

        answer = self._run(lambda: self._client.request(request))
        if error(answer):
            raise self._refused(answer)
        return answer

    def _run(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        from smp.exceptions import SMPException
        from smpclient.exceptions import SMPClientException, SMPUploadError
        from smpclient.transport import SMPTransportDisconnected

        async def run() -> Answer:
            return await call()

        with self._lock:
            if self._closed:
                raise PortGoneError(f"{self.name} was closed")
            self._requests += 1
            try:
                return self._runner.run(run())
            except LinkError as error:
                raise self._failed(error) from error.__cause__
            except TimeoutError as error:
                raise self._failed(LinkTimeoutError(f"{self.name} does not answer", fix=_HINT)) from error
            except SMPUploadError as error:
                raise self._failed(self._refused(error.args[0])) from error
            except (OSError, SMPTransportDisconnected) as error:
                raise self._failed(PortGoneError(f"{self.name}: {error}")) from error
            except (SMPClientException, SMPException, ValueError, AssertionError) as error:
                raise self._failed(ProtocolError(f"{self.name}: {error}")) from error

    def _failed(self, error: LinkError) -> LinkError:
        self._failures += 1
        return error

    def _refused(self, answer: Any) -> DeviceError:
        if isinstance(answer, str):  # smpclient's own words about an upload
            return DeviceError(f"{self.name}: {answer}", code="UPLOAD")
        detail = getattr(answer, "err", None)
        code = getattr(detail, "rc", None) if detail is not None else getattr(answer, "rc", None)
        word = getattr(code, "name", str(code))
        return DeviceError(f"{self.name} refuses: {word}", code=word)


_HINT = "check the baud rate, and that the firmware has MCUmgr on this port"


def _slots(answer: Any) -> list[ImageSlot]:
    return [
        ImageSlot(
            image=image.image or 0,
            slot=image.slot,
            version=image.version,
            hash=bytes(image.hash or b"").hex(),
            active=bool(image.active),
            confirmed=bool(image.confirmed),
            pending=bool(image.pending),
        )
        for image in answer.images
    ]
