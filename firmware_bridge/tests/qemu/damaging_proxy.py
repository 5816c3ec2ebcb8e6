"""A TCP proxy that drops, repeats, changes and swaps frames, each of them with one in a hundred, in both directions."""

import random
import select
import socket
import threading
from collections import Counter

from vedette_bridge.vlp.frame import SYNC

SHARE = 0.01
HEADER, CHECK = 16, 4
PAUSE_S = 0.02


class Way:
    """One direction: bytes in, bytes out. ``counts``: what was done to how many frames."""

    def __init__(self, rng):
        self.counts = Counter()
        self._rng = rng
        self._waiting = bytearray()
        self._held = b""

    def push(self, data):
        """The bytes that come out for those that came in: whole frames, or something like them."""
        self._waiting += data
        out = b""
        while frame := self._next_frame():
            out += self._fate(frame)
        return out

    def pause(self):
        """Nothing comes at the moment: nothing is kept back either."""
        out, self._held = self._held + bytes(self._waiting), b""
        self._waiting.clear()
        return out

    def _next_frame(self):
        waiting = self._waiting
        if len(waiting) < HEADER:
            return b""
        if not waiting.startswith(SYNC):
            end = waiting.find(SYNC)
            end = end if end > 0 else len(waiting)
        else:
            length = int.from_bytes(waiting[8:10], "little")
            end = HEADER + (length + CHECK if length else 0)
        if len(waiting) < end:
            return b""
        frame = bytes(waiting[:end])
        del waiting[:end]
        return frame

    def _fate(self, frame):
        self.counts["frames"] += 1
        if self._happens("drop"):
            frame = b""
        elif self._happens("corrupt"):
            frame = self._changed(frame)
        elif self._happens("duplicate"):
            frame += frame
        if self._held:
            frame, self._held = frame + self._held, b""
        elif frame and self._happens("reorder"):
            frame, self._held = b"", frame
        return frame

    def _happens(self, what):
        if self._rng.random() >= SHARE:
            return False
        self.counts[what] += 1
        return True

    def _changed(self, frame):
        """A bit flipped, a byte lost, a byte too many, or a burst."""
        data, rng = bytearray(frame), self._rng
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at]
            case 2:
                data.insert(at, rng.randrange(256))
            case 3:
                data[at : at + 16] = rng.randbytes(len(data[at : at + 16]))
        return bytes(data)


class DamagingProxy:
    """Listens at ``address``, for one connection. Use as a context manager."""

    def __init__(self, target, seed):
        rng = random.Random(seed)
        self.to_device, self.to_box = Way(rng), Way(rng)
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._end, self._ending = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="damaging proxy")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.close()
        self._thread.join()
        self._end.close()
        self._listener.close()

    def _serve(self):
        if self._end in select.select([self._end, self._listener], [], [])[0]:
            return
        box, _ = self._listener.accept()
        with box, socket.create_connection(self._target) as device:
            ways = {box: (self.to_device, device), device: (self.to_box, box)}
            for end in ways:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._turn(ways):
                pass

    def _turn(self, ways):
        readable = select.select([self._end, *ways], [], [], PAUSE_S)[0]
        if self._end in readable:
            return False
        if not readable:
            for way, to in ways.values():
                to.sendall(way.pause())
        for end in readable:
            way, to = ways[end]
            data = end.recv(65536)
            if not data:
                return False
            to.sendall(way.push(data))
        return True
