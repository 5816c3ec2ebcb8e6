"""Requests to the C table of parameters in the Python client's bytes: what is answered, what is done, how often."""

import ctypes
import random

import pytest
from cdevice import HERE, SOURCES, CDevice, build, load_functions

from vedette_bridge.vlp import cbor
from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.control import Code
from vedette_bridge.vlp.rpc import Method, RpcClient

EXPOSURE, ROI_W, LEVELS, CHANGES, REBOOTS, KINDS, STARTED, PULSES, DELAY, PAIRED = range(10)


class Commands:
    """A device with a session, and its commands."""

    def __init__(self, library, reply_size=160, slots=(4, 4), maxpl=256):
        self.lib = library
        config = LinkConfig(role="device", limits=Limits(maxpl=maxpl, window=8), identity={1: "Eye"})
        self.device = CDevice(library, config, lambda: 1_000_000, random.Random(1), slots=slots)
        self.device.force_session(5)
        library.rpc_new(self.device._dev, reply_size)
        self.client = RpcClient(1000)
        self._out = ctypes.create_string_buffer(8192)

    def take(self):
        """The replies that are on their way, which the box now has."""
        size = self.lib.rpc_replies(self.device._dev, self._out)
        data, replies = self._out.raw[:size], []
        while data:
            replies.append(data[1 : 1 + data[0]])
            data = data[1 + data[0] :]
        self.lib.rpc_settle(self.device._dev)
        return replies

    def send(self, payload):
        return self.lib.rpc_request(payload, len(payload))

    def call(self, method, args=None):
        """Error and result."""
        _, payload = self.client.request(method, args)
        assert self.send(payload) == 0
        (answer,) = self.take()
        reply = self.client.reply(answer)
        return Code(reply.error), reply.result


@pytest.fixture(scope="module")
def rpc_library(tmp_path_factory):
    path = tmp_path_factory.mktemp("rpc") / "librpc.so"
    library = load_functions(build(path, HERE / "rpc_shim.c", *SOURCES, flags=("-O2", "-shared", "-fPIC")))
    library.rpc_replies.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    library.rpc_replies.restype = ctypes.c_size_t
    library.rpc_settle.argtypes = (ctypes.c_void_p,)
    library.rpc_new.argtypes = (ctypes.c_void_p, ctypes.c_uint16)
    return library


@pytest.fixture
def commands(rpc_library):
    return Commands(rpc_library)


def test_caps(commands):
    error, caps = commands.call(Method.GET_CAPS)
    assert error == Code.OK
    assert caps == {
        0: {1: "Eye"},
        1: {1: [10, 70_000], 3: [0, 640], 5: True, 9: True, 64: [-50, 100]},
        2: ["JPEG", "GREY"],
        3: [640, 480],
    }


def test_parameters_of_every_kind(commands):
    assert commands.call(Method.SET, {1: 5_000, 3: [1, 2, 300, 400], 5: "GREY", 9: {0: 0, 31: 1}}) == (
        Code.OK,
        {1: 5_000, 3: [1, 2, 300, 400], 5: "GREY", 9: {0: 0, 1: 0, 31: 1}},
    )
    assert commands.call(Method.GET, {0: [64, 3, 1]}) == (Code.OK, {64: -40, 3: [1, 2, 300, 400], 1: 5_000})
    assert commands.call(Method.GET, {0: [1, 1]}) == (Code.OK, {1: 5_000})
    assert commands.call(Method.GET, {0: []}) == (Code.OK, {})


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({1: 9}, Code.RANGE),
        ({1: 70_001}, Code.RANGE),
        ({1: 2**40}, Code.RANGE),
        ({1: -1}, Code.RANGE),
        ({1: "fast"}, Code.INVALID),
        ({1: [1]}, Code.INVALID),
        ({3: [1, 2, 3]}, Code.INVALID),
        ({3: 5}, Code.INVALID),
        ({3: [0, 0, 641, 5]}, Code.RANGE),
        ({5: "JPG"}, Code.INVALID),
        ({5: 1}, Code.INVALID),
        ({9: {32: 1}}, Code.RANGE),
        ({9: {0: 2}}, Code.INVALID),
        ({9: 1}, Code.INVALID),
        ({2: 1}, Code.UNKNOWN),
        ({2**33: 1}, Code.UNKNOWN),
        ({64: 3}, Code.INVALID),
    ],
)
def test_all_are_set_or_none(commands, args, code):
    before = commands.lib.rpc_value(CHANGES)
    assert commands.call(Method.SET, {1: 1_234, **args} if 1 not in args else args) == (code, {})
    assert commands.lib.rpc_value(CHANGES) == before


def test_hardware_that_fails_says_so(commands):
    commands.lib.rpc_fail(1)
    assert commands.call(Method.SET, {1: 500})[0] == Code.HW
    commands.lib.rpc_fail(0)


def test_methods(commands):
    value = commands.lib.rpc_value
    before = value(PULSES)
    assert commands.call(Method.TRIGGER, {0: 3, 1: 5_000}) == (Code.OK, {0: 7})
    assert (value(PULSES) - before, value(DELAY)) == (3, 5_000)
    assert commands.call(Method.TRIGGER) == (Code.OK, {0: 7})
    assert value(PULSES) - before == 4
    assert commands.call(Method.START, {0: 9}) == (Code.OK, {})
    assert value(STARTED) == 9
    assert commands.call(Method.SUBSCRIBE, {0: [1, 3, 31]}) == (Code.OK, {})
    assert value(KINDS) & 0xFFFFFFFF == 1 << 1 | 1 << 3 | 1 << 31
    assert commands.call(Method.SUBSCRIBE, {0: [32]})[0] == Code.RANGE
    assert commands.call(Method.PAIR, {0: bytes(range(32))}) == (Code.OK, {})
    assert value(PAIRED) == 31
    assert commands.call(Method.PAIR, {0: bytes(31)})[0] == Code.INVALID
    before = value(REBOOTS)
    assert commands.call(Method.REBOOT, {0: 1}) == (Code.OK, {})
    assert value(REBOOTS) == before + 10
    assert commands.call(Method.STOP)[0] == Code.UNKNOWN  # the table has no such function
    assert commands.call(200)[0] == Code.UNKNOWN


def test_a_request_that_comes_again_is_answered_again_and_not_carried_out_again(commands):
    requests = [commands.client.request(Method.TRIGGER)[1] for _ in range(8)]
    before = commands.lib.rpc_value(PULSES)
    answers = []
    for request in requests:
        assert commands.send(request) == 0
        answers += commands.take()
    again = []
    for request in requests:
        assert commands.send(request) == 0
        again += commands.take()
    assert again == answers
    assert commands.lib.rpc_value(PULSES) == before + 8
    commands.call(Method.GET, {0: []})  # the ninth: the first is forgotten
    assert commands.send(requests[0]) == 0
    assert commands.lib.rpc_value(PULSES) == before + 9
    commands.take()


def test_a_request_whose_answer_is_on_its_way_is_not_answered_twice(commands):
    _, request = commands.client.request(Method.TRIGGER)
    before = commands.lib.rpc_value(PULSES)
    for _ in range(3):
        assert commands.send(request) == 0
    assert len(commands.take()) == 1
    assert commands.lib.rpc_value(PULSES) == before + 1


def test_answers_wait_for_a_slot_and_then_for_room(commands):
    assert [commands.send(commands.client.request(Method.TRIGGER)[1]) for _ in range(8)] == [0] * 8
    assert commands.send(commands.client.request(Method.TRIGGER)[1]) == Code.BUSY
    assert not commands.lib.rpc_idle()
    assert len(commands.take()) == 4
    commands.lib.rpc_poll()
    assert len(commands.take()) == 4
    assert commands.lib.rpc_idle()


def test_an_answer_that_does_not_fit_is_an_error(rpc_library):
    assert Commands(rpc_library, reply_size=40).call(Method.GET_CAPS) == (Code.NOMEM, {})
    assert Commands(rpc_library, reply_size=58).call(Method.GET_CAPS) == (Code.NOMEM, {})
    assert Commands(rpc_library, reply_size=40).call(Method.GET, {0: [1]})[0] == Code.OK


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"\x80",
        b"\x05",
        cbor.dumps({1: 0}),
        cbor.dumps({0: "x", 1: 0}),
        b"\xa1\x00\x1b" + b"\xff" * 8,
        b"\xa2\x00\x01",
    ],
)
def test_what_is_no_request_is_refused_as_a_message(commands, payload):
    assert commands.send(payload) == Code.INVALID
    assert commands.take() == []


@pytest.mark.parametrize(
    "body",
    [
        {0: 1},
        {0: 2, 1: "get"},
        {0: 3, 1: 1, 2: 5},
        {0: 4, 1: 1, 2: [1]},
        {0: 5, 1: 1},
        {0: 6, 1: 1, 2: {0: 7}},
    ],
)
def test_a_request_that_makes_no_sense_is_answered(commands, body):
    assert commands.send(cbor.dumps(body)) == 0
    (answer,) = commands.take()
    assert cbor.loads(answer) == {0: body[0], 3: int(Code.INVALID)}


def test_unknown_keys_are_skipped(commands):
    body = {7: [1, {2: "x"}], 0: 99, 9: {1: {2: 3}}, 1: int(Method.GET), 12: b"yz", 2: {5: [1], 0: [1]}}
    assert commands.send(cbor.dumps(body)) == 0
    (answer,) = commands.take()
    assert cbor.loads(answer).keys() == {0, 2}
    assert cbor.loads(answer)[2].keys() == {1}


def test_mutated_requests_do_no_harm(commands):
    rng = random.Random(1)
    known = [
        commands.client.request(Method.SET, {1: 5_000, 3: [1, 2, 300, 400], 9: {0: 0}})[1],
        commands.client.request(Method.GET, {0: [1, 3, 5, 9, 64]})[1],
        commands.client.request(Method.SUBSCRIBE, {0: [1, 2]})[1],
        commands.client.request(Method.PAIR, {0: bytes(32)})[1],
    ]
    codes = set()
    for _ in range(20_000):
        data = bytearray(rng.choice(known))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.choice((rng.randrange(256), 0x81, 0xA1, 0x1B))
        codes.add(commands.send(bytes(data[: rng.choice((len(data), rng.randrange(len(data) + 1)))])))
        for answer in commands.take():
            assert cbor.load_map(answer)[0] >= 0
    assert codes == {0, 2}
