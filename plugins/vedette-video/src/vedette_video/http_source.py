"""The source ``http``: MJPEG cameras, cameras that give single pictures, and what video FFmpeg plays over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from vedette.errors import SourceError
from vedette_video.address import Address, parse_address
from vedette_video.develop import Stills
from vedette_video.feed import Arrival, Connection
from vedette_video.ffmpeg_input import FFmpegInput
from vedette_video.http_client import Response, Tls, get
from vedette_video.live import LiveSource
from vedette_video.multipart import MAX_PART, Multipart
from vedette_video.params import HttpParams
from vedette_video.rtsp import tls_options


def open_http(uri: str, params: HttpParams) -> LiveSource:
    """Ask for ``uri``. What kind of source it is, the content type of the answer says.

    Raises
    ------
    SourceError
        It cannot be reached or does not answer in time, refuses the user, or is neither pictures nor video.
    """
    address = parse_address(uri, params.user, params.password)
    return LiveSource(lambda: _connect(address, params), address.shown, params)


def _connect(address: Address, params: HttpParams) -> Connection:
    tls = Tls(verify=params.verify, ca_file=params.ca_file)

    def ask(timeout_s: float) -> Response:
        return get(address, tls, time.monotonic() + timeout_s)

    response = ask(params.open_timeout_s)
    if response.content_type.startswith("multipart/"):
        return MjpegConnection(response, address.shown, params.read_timeout_s)
    if response.content_type.startswith("image/"):
        return SnapshotConnection(response, lambda: ask(params.read_timeout_s), address.shown, params)
    response.close()
    if response.content_type == "text/html":
        raise SourceError(
            f"{address.shown} is a web page", fix="give the address of the camera's stream, not of its page"
        )
    options = {
        "rw_timeout": str(round(params.read_timeout_s * 1e6)),
        "protocol_whitelist": "http,https,tcp,tls,crypto,data",  # a playlist must not name files of this machine
        **tls_options(params),
    }
    found = response.address
    return FFmpegInput(
        found.with_login(), address.shown, params, format=None, options=options, always_live=False
    )


class MjpegConnection:
    """Pictures of an endless multipart answer. A picture must be there ``read_timeout_s`` after the one before."""

    live = True

    def __init__(self, response: Response, shown: str, read_timeout_s: float) -> None:
        self.develop = Stills(shown)
        self._response = response
        self._shown = shown
        self._timeout_s = read_timeout_s
        self._deadline_s = 0.0
        self._began_ns = (0, 0)
        self._parts = Multipart(self._read_some, response.boundary, shown, self._begin)

    def receive(self) -> Arrival:
        self._deadline_s = time.monotonic() + self._timeout_s
        while (part := self._parts.next()) is not None:
            if part.content_type in ("", "image/jpeg", "image/jpg"):
                mono_ns, wall_ns = self._began_ns
                return Arrival(data=part.data, key=True, mono_ns=mono_ns, wall_ns=wall_ns)
        raise SourceError(
            f"{self._shown} has ended the connection", fix="look whether it is switched on and reachable"
        )

    def interrupt(self) -> None:
        self._response.wire.shut_down()

    def close(self) -> None:
        self._response.close()

    def _read_some(self) -> bytes:
        return self._response.read_some(self._deadline_s)

    def _begin(self) -> None:
        self._began_ns = time.monotonic_ns(), time.time_ns()


class SnapshotConnection:
    """Single pictures, one request after the other."""

    live = True

    def __init__(self, first: Response, ask: Callable[[], Response], shown: str, params: HttpParams) -> None:
        self.develop = Stills(shown)
        self._response: Response | None = first
        self._ask = ask
        self._shown = shown
        self._params = params
        self._due_s = time.monotonic()
        self._stopped = threading.Event()

    def receive(self) -> Arrival:
        if self._response is None:
            if self._stopped.wait(max(0.0, self._due_s - time.monotonic())):
                raise SourceError(f"{self._shown} is closed")
            self._response = self._ask()
        self._due_s = max(self._due_s + self._params.poll_s, time.monotonic())
        mono_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        try:
            data = self._body(self._response)
        finally:
            self._response.close()
            self._response = None
        return Arrival(data=data, key=True, mono_ns=mono_ns, wall_ns=wall_ns)

    def interrupt(self) -> None:
        self._stopped.set()
        response = self._response
        if response is not None:
            response.wire.shut_down()

    def close(self) -> None:
        if self._response is not None:
            self._response.close()

    def _body(self, response: Response) -> bytes:
        deadline_s = time.monotonic() + self._params.read_timeout_s
        data = bytearray()
        while some := response.read_some(deadline_s):
            data += some
            if len(data) > MAX_PART:
                raise SourceError(f"{self._shown}: a picture has more than {MAX_PART} bytes")
        return bytes(data)
