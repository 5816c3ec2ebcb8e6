"""A VLP camera for programs that run on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from vedette_bridge.camera import CameraDetection, CameraFrame, Caps, Value
from vedette_bridge.errors import LinkTimeoutError
from vedette_bridge.protocols.vlp.camera import PortOpener, VlpOptions, build_box, parse_address
from vedette_bridge.protocols.vlp.parameters import caps_of, from_wire, number_of, to_wire
from vedette_bridge.shells.aio import LinkTask
from vedette_bridge.shells.box import Box
from vedette_bridge.shells.finding import comports
from vedette_bridge.shells.keys import read_key
from vedette_bridge.shells.notices import Notice
from vedette_bridge.vlp.rpc import Method


class AsyncBridge:
    """A VLP camera in an event loop.

        async with await AsyncBridge.open("/dev/ttyACM0?baud=3000000") as camera:
            await camera.set(exposure_us=8000)
            async for frame in camera.frames():
                camera.send_detections(frame, find(frame))

    The methods are those of :class:`vedette_bridge.protocols.vlp.camera.VlpCamera`, and raise the same.
    """

    def __init__(self, task: LinkTask, options: VlpOptions) -> None:
        self.name = task.name
        self._task = task
        self._box = task.box
        self._options = options

    @classmethod
    async def open(cls, address: str, *, key: bytes | None = None, **options: Any) -> AsyncBridge:
        """Connect, and wait until the camera answers; as :func:`vedette_bridge.open_bridge`."""
        uri, settings = parse_address(address, options)
        secret = key or read_key(settings.key)
        opener = PortOpener(uri.port_url, settings, comports)
        pipe = await asyncio.get_running_loop().run_in_executor(None, opener)
        box = build_box(pipe, settings, secret)
        box.start()
        task = LinkTask(box, pipe, opener if settings.reconnect else None)
        try:
            limit = settings.timeout_s
            await task.wait(lambda box: box.ready or None, limit, f"no session within {limit:g} s")
        except BaseException:
            await task.close()
            raise
        return cls(task, settings)

    async def caps(self) -> Caps:
        """What the camera is and can do."""
        answer = await self.call(Method.GET_CAPS)
        up = await self._task.wait(lambda box: box.up, self._options.timeout_s, "the link is down")
        return caps_of(up, answer)

    async def get(self, *names: str) -> dict[str, Value]:
        """The present values of parameters; without names, of all."""
        wanted = [number_of(name) for name in names or (await self.caps()).parameters]
        return from_wire(await self.call(Method.GET, {0: wanted}))

    async def set(self, **parameters: Value) -> dict[str, Value]:
        """Set parameters, all or none; the values as they are then."""
        return from_wire(await self.call(Method.SET, to_wire(parameters)))

    async def trigger(self, count: int = 1, delay_us: int = 0) -> int | None:
        """Take images; the number of the first."""
        return (await self.call(Method.TRIGGER, {0: count, 1: delay_us})).get(0)

    async def frames(self, timeout_s: float = 1.0) -> AsyncIterator[CameraFrame]:
        """Images; who is slow loses the oldest."""
        self._box.stream(True)
        self._task.turn()
        try:
            while True:
                yield await self._task.wait(Box.take_frame, timeout_s, f"no image within {timeout_s:g} s")
        finally:
            self._box.stream(False)
            self._task.turn()

    async def notices(self, timeout_s: float | None = None) -> AsyncIterator[Notice]:
        """Events, triggers, log lines, changes of the link, until none came for ``timeout_s``."""
        self._box.listen(True)
        try:
            while True:
                try:
                    yield await self._task.wait(Box.take_notice, timeout_s, "no message")
                except LinkTimeoutError:
                    return
        finally:
            self._box.listen(False)

    def send_detections(self, frame: CameraFrame | int, detections: Iterable[CameraDetection]) -> None:
        """Tell the camera what was found in an image."""
        self._task.check()
        self._box.send_detections(frame, detections)
        self._task.turn()

    async def call(self, method: int, args: Mapping[int, Any] | None = None) -> Mapping[int, Any]:
        """Carry out a method and return its result."""
        self._task.check()
        call = self._box.call(method, args, self._options.timeout_s)
        self._task.turn()
        await self._task.wait(lambda box: call.done or None, self._options.timeout_s + 1.0, "no answer")
        return call.result()

    def stats(self) -> Mapping[str, int]:
        """Everything that was counted."""
        return self._box.statistics()

    async def close(self) -> None:
        """Let go of the port. May be called twice."""
        await self._task.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
