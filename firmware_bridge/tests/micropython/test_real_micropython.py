"""The same modules under the real MicroPython, as the device on the virtual-clock line."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from zlib import crc32

import pytest
from board import POLL_US, WRAP_US, BoardLine, BoardPort
from line import Faults
from test_vectors import SECTIONS, cases

from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import Down, ImageLost, ImageReceived, Message, Up
from vedette_bridge.vlp.frame import EVENT, RESULT, RPC
from vedette_bridge.vlp.messages import Detection, ResultMessage
from vedette_bridge.vlp.rpc import Method, RpcClient

S = 1_000_000
HERE = Path(__file__).parent
PACKAGES = Path.home() / ".cache/vedette/micropython"
PACKAGE = "@micropython/micropython-webassembly-pyscript"
MODULES = (
    "vlp_stream",
    "vlp_frame",
    "vlp_image",
    "vlp_opening",
    "vlp_control",
    "vlp_session",
    "vlp",
    "vlp_cbor",
    "vlp_camera",
    "vlp_auth",
    "vlp_baud",
)
KEY = bytes(range(32))

if not shutil.which("node") or not (PACKAGES / "node_modules" / PACKAGE).is_dir():
    pytest.skip(f"needs node, and npm install --prefix {PACKAGES} {PACKAGE}@1.27.0", allow_module_level=True)


class RealMicroPython:
    """The process."""

    def __init__(self, sources):
        command = ["node", HERE / "real_board.mjs", PACKAGES, sources, HERE / "real_board.py"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, op, **request):
        self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer


@pytest.fixture
def micropython(sources):
    real = RealMicroPython(sources)
    yield real
    real.process.stdin.close()
    assert real.process.wait(10) == 0
    real.process.stdout.close()


class RealBoard:
    """The methods of Link that the line calls."""

    def __init__(self, micropython, clock, options, size):
        self.micropython = micropython
        self.port = BoardPort(clock, None)
        self._clock, self._next_us, self.up = clock, 0, False
        options = {
            name: value.hex() if isinstance(value, bytes) else value for name, value in options.items()
        }
        micropython.ask("make", options={"boot_id": 1, **options}, size=size)

    def start(self):
        pass

    def feed(self, data):
        self.port.incoming += data
        return []

    def poll(self):
        if self._clock() >= self._next_us:
            self._next_us = self._clock() + POLL_US
            now, data = self._clock() % WRAP_US, self.port.incoming.hex()
            self.port.incoming.clear()
            answer = self.micropython.ask("step", now=now, data=data, room=1_500)
            self.port.outgoing += bytes.fromhex(answer["out"])
            self.up = answer["up"]
        return []

    def take_output(self):
        return self.port.whole_frames()

    def look(self):
        return self.micropython.ask("look")

    @property
    def due_us(self):
        return self._next_us


class RealLine(BoardLine):
    def __init__(self, micropython, options=None, size=3_000, box=None, **line):
        self._micropython, self._options, self._size = micropython, options or {}, size
        self.client, self.replies = RpcClient(1), {}
        super().__init__(None, box, **line)
        self.start()
        assert self.pass_time(3 * S, lambda: self.board.up and self.box.state == "up")

    def _link(self, side):
        if side == "box":
            return super()._link(side)
        return RealBoard(self._micropython, lambda: self.clock("device"), self._options, self._size)

    def call(self, method, args=None):
        number, payload = self.client.request(method, args)
        self.box.send(RPC, payload)
        self.woken.add("box")
        assert self.pass_time(5 * S, lambda: any(self._answers(number)))
        return self.replies[number]

    def _answers(self, number):
        for event in self.of(Message):
            if event.ch == RPC and (reply := self.client.reply(event.payload)):
                self.replies[reply.id] = reply
        yield number in self.replies

    def of(self, kind):
        return [event for event in self.events["box"] if isinstance(event, kind)]


@pytest.mark.parametrize(
    ("key", "faults"), [(None, Faults()), (None, Faults.each(0.02)), (KEY, Faults.each(0.02))]
)
def test_images_out_and_results_back(micropython, key, faults):
    box = LinkConfig(role="box", key=key)
    options = {"key": key} if key else {}
    line = RealLine(micropython, options, 8_000, box, faults=faults, device_ahead_us=WRAP_US - 2 * S)
    assert line.of(Up)[0].identity == {0: "Acme", 1: "Eye"}
    assert line.of(Up)[0].paired == bool(key)
    assert line.call(Method.SET, {1: 9000, 4: 20_000}).result == {1: 9000, 4: 20_000}
    assert line.call(Method.START, {0: 10}).error == 0

    def reply_to_each():
        for image in line.of(ImageReceived)[line.replied :]:
            found = Detection(image.header.obj, 0.5, 1, 2, 3, 4.25)
            payload = ResultMessage(
                obj=image.header.obj, t_us=image.header.t_capture_us, detections=(found,)
            ).encode()
            line.box.send(RESULT, payload, flags=8)
            line.woken.add("box")
            line.replied += 1
        return line.replied == 10 and line.box.idle

    line.replied = 0
    assert line.pass_time(20 * S, reply_to_each)
    seen = line.board.look()
    assert [[image.header.obj, crc32(image.data)] for image in line.of(ImageReceived)] == sorted(
        seen["taken"]
    )
    assert seen["results"] == [[obj, [[obj, 16384, 4, 8, 12, 17, 0]]] for obj in range(10)]
    assert not line.of(ImageLost)
    assert not line.of(Down)
    assert line.call(Method.GET, {0: [1]}).result == {1: 9000}
    if faults.drop:
        assert seen["stats"][8] > 0  # frames were sent again


@pytest.mark.parametrize("section", SECTIONS)
def test_the_golden_vectors(micropython, section):
    for case in cases(section):
        micropython.ask("vector", section=section, case=case)


def test_a_restart_of_the_board_and_of_the_box(micropython):
    line = RealLine(micropython)
    for side in ("device", "box"):
        line.restart(side)
        before, sessions = line.now_us, len(line.of(Up))
        assert line.pass_time(2 * S, lambda sessions=sessions: len(line.of(Up)) > sessions and line.board.up)
        assert line.now_us - before < S
    assert line.call(Method.GET, {0: [1]}).result == {1: 8000}
    assert not [event for event in line.of(Message) if event.ch == EVENT]


def test_noise_changes_nothing(micropython):
    line = RealLine(micropython)
    rng = random.Random(1)
    for _ in range(20):
        line.inject("device", rng.randbytes(700) + b"\xff\x9e" * 50)
        line.pass_time(30_000)
    assert line.call(Method.GET, {0: [1]}).result == {1: 8000}
    assert line.board.look()["stats"][4] > 0


def test_a_poll_without_traffic_allocates_nothing(micropython):
    micropython.ask("make", options={"boot_id": 1}, size=16)
    for now in (1_000_000, 1_001_000):
        micropython.ask("step", now=now, data="", room=1_500)
    code = (
        "import gc\nlink = state['camera'].link\nbefore = gc.mem_alloc()\n"
        "for _ in range(1000): link.poll()\nspent = gc.mem_alloc() - before\nassert spent < 100, spent\n"
    )
    micropython.ask("run", code=code)


def test_the_heap_that_it_takes_is_bounded(micropython, record_property):
    """The figures of the README, in bytes of a 32-bit MicroPython: code, objects, and what a session leaves."""

    def heap():
        micropython.ask("collect")
        return micropython.ask("heap")["bytes"]

    before, sizes = heap(), {}
    for module in MODULES:
        micropython.ask("run", code=f"import {module}")
        after = heap()
        sizes[module], before = after - before, after
    link = sum(sizes[module] for module in MODULES[:7])
    line = RealLine(micropython, {"maxpl": 512, "window": 8}, size=16)
    line.call(Method.START, {0: 50})
    line.pass_time(8 * S)
    buffers = heap() - before
    line.pass_time(3 * S)
    later = heap() - before
    figures = {**sizes, "link": link, "all code": sum(sizes.values()), "objects and buffers": buffers}
    for name, size in figures.items():
        record_property(name, size)
    print(figures)
    assert link < 32_000
    assert sum(sizes.values()) < 45_000
    assert buffers < 12_000  # with the test's own objects
    assert abs(later - buffers) < 500
