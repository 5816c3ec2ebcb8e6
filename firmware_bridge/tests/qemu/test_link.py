"""The C library on a Cortex-M3 and a Cortex-M0, against the host's link: what every link must do."""

import itertools
import random
import struct
from zlib import crc32

import pytest
from echoing import AT_ONCE, ECHO, Echo

from vedette_bridge.vlp.baud import BaudSettled
from vedette_bridge.vlp.control import MODEL, Caps, Code, Type
from vedette_bridge.vlp.events import Down, ImageLost, ImageReceived, Message, PeerError, PeerStats
from vedette_bridge.vlp.frame import RPC
from vedette_bridge.vlp.parser import Parser
from vedette_bridge.vlp.rpc import Method, Parameter

UART_LOST, ECHOED, ECHOES_REFUSED, IMAGES = 64, 65, 66, 67
"""Parameters of the example firmware: what it has counted."""
WIDTH, HEIGHT = 64, 48
STATS_DUPLICATES, STATS_BAD_PAYLOADS = 7, 6


def test_handshake_after_garbage(machine, connect, firmware):
    client = connect(machine.address)
    client.link.close()
    client.pending = random.Random(1).randbytes(5000) + b"\xff\x9e" * 50
    client.run(lambda: not client.pending)
    client.link.start()
    up = client.up()
    assert up.identity[MODEL] == firmware[0]
    assert (up.maxpl, up.window, up.paired) == (512, 8, False)
    assert Caps.IMAGES | Caps.BAUD | Caps.IN_ORDER in Caps(up.caps)


def test_commands(machine, connect):
    client = connect(machine.address)
    client.opened()
    caps = client.call(Method.GET_CAPS).result
    assert caps[3] == [WIDTH, HEIGHT]
    assert caps[2] == ["GREY"]
    low, high = caps[1][Parameter.EXPOSURE_US]

    assert client.call(Method.SET, {Parameter.EXPOSURE_US: 1234}).result == {Parameter.EXPOSURE_US: 1234}
    wrong = client.call(Method.SET, {Parameter.EXPOSURE_US: 4321, Parameter.GAIN_Q8: 1 << 31})
    assert wrong.error == Code.RANGE
    assert client.call(Method.SET, {Parameter.EXPOSURE_US: high + 1}).error == Code.RANGE
    kept = client.call(Method.GET, {0: [Parameter.EXPOSURE_US]}).result
    assert kept == {Parameter.EXPOSURE_US: 1234}, "all or nothing"
    assert low <= 1234 <= high
    assert client.call(Method.GET, {0: [99]}).error == Code.UNKNOWN
    assert client.call(77).error == Code.UNKNOWN
    assert not client.of(Down)


def test_a_repeated_command_is_not_carried_out_again(machine, connect):
    client = connect(machine.address)
    client.opened()
    _, payload = client.request(Method.TRIGGER, {0: 1})
    while len(client.of(Message)) < 3:  # one that comes while the reply is still on its way has no other
        client.link.send(RPC, payload)
        client.rest(0.1)
    assert len({message.payload for message in client.of(Message)}) == 1
    client.run(lambda: client.of(ImageReceived))
    assert client.call(Method.GET, {0: [IMAGES]}).result == {IMAGES: 1}


def test_reliable_messages_through_damage(machine, connect, damaging):
    with_faults = damaging(machine.address, seed=7)
    client = connect(with_faults.address)
    Echo(client).run(400)
    for way in (with_faults.to_device, with_faults.to_box):
        assert all(way.counts[fault] for fault in ("drop", "duplicate", "corrupt", "reorder")), way.counts
    client.link.ask_stats()
    counters = client.run(lambda: client.of(PeerStats))[0].counters
    assert counters[STATS_DUPLICATES]
    assert counters[STATS_BAD_PAYLOADS]
    assert len(client.of(Message)) == 400
    assert not client.of(Down)


@pytest.mark.parametrize("size", [8, 64, 511])
def test_messages_of_other_sizes(machine, connect, size):
    client = connect(machine.address)
    Echo(client, size).run(20)


def test_too_many_messages_are_refused_one_by_one(machine, connect):
    client = connect(machine.address)
    client.opened()
    count = 4 * AT_ONCE
    for number in range(count):
        client.link.send(ECHO, struct.pack("<I", number) + bytes(500))

    def back():
        return [
            struct.unpack_from("<I", message.payload)[0]
            for message in client.of(Message)
            if message.ch == ECHO
        ]

    def refused():
        return client.call(Method.GET, {0: [ECHOES_REFUSED]}).result[ECHOES_REFUSED]

    client.run(lambda: client.link.idle and len(back()) + refused() == count)
    numbers = back()
    assert numbers == sorted(set(numbers))
    assert all(error.code == Code.NOMEM for error in client.of(PeerError))
    assert bool(client.of(PeerError)) == (len(numbers) < count)


def test_images_through_damage(machine, connect, damaging):
    client = connect(damaging(machine.address, seed=3).address)
    client.opened()
    before = client.link.time.fit or client.run(lambda: client.link.time.fit)
    client.call(Method.SET, {Parameter.EXPOSURE_US: 777, Parameter.RATE_MHZ: 1_000_000})
    first = client.call(Method.TRIGGER, {0: 5}).result[0]
    client.run(lambda: len(client.of(ImageReceived)) == 5)
    assert not client.of(ImageLost)
    now = client.link.time.fit.to_remote(client.times_us[-1])
    for number, image in enumerate(client.of(ImageReceived)):
        header = image.header
        assert header.obj == first + number
        assert (header.fourcc, header.width, header.height, header.stride) == ("GREY", WIDTH, HEIGHT, WIDTH)
        assert header.exposure_us == 777
        assert bytes(image.data) == bytes(
            x ^ (y + header.obj) & 0xFF for y in range(HEIGHT) for x in range(WIDTH)
        )
        assert crc32(image.data) == header.crc32
        assert before.to_remote(client.times_us[0]) - before.uncertainty_us < header.t_capture_us < now + 1000


def test_echo_while_images_stream(machine, connect):
    client = connect(machine.address)
    client.opened()
    client.call(Method.SET, {Parameter.RATE_MHZ: 1_000_000})
    client.call(Method.START, {0: 0})
    Echo(client).run(40)
    client.run(lambda: client.of(ImageReceived))
    client.call(Method.STOP)
    count = client.call(Method.GET, {0: [IMAGES]}).result[IMAGES]
    client.run(lambda: len(client.of(ImageReceived)) == count)
    assert not client.of(ImageLost)
    assert client.call(Method.GET, {0: [IMAGES, UART_LOST]}).result == {IMAGES: count, UART_LOST: 0}


def test_heartbeat(machine, connect):
    """An idle link stays up. A silent box: PING every 250 ms by the device's clock, and after a second, BOOT."""
    client = connect(machine.address)
    session = client.opened().session
    client.rest(1.3)
    assert not client.of(Down)
    heard = Parser(512)
    heard.salt = session
    pings, boots = [], []

    def listen(data):
        heard.push(data)
        while (frame := heard.pull()) is not None:
            if not frame.salted:
                boots.append(frame)
            elif frame.payload[0] == Type.PING:
                pings.append(struct.unpack_from("<Q", frame.payload, 8)[0])

    client.on_bytes = listen
    client.mute = True
    client.run(lambda: boots)
    gaps = [after - before for before, after in itertools.pairwise(pings)]
    assert len(pings) >= 2, "fewer can only be if the machine stood still"
    assert 250_000 <= min(gaps) < 375_000
    client.mute = False
    client.up()


def test_another_rate(machine, connect):
    client = connect(machine.address, start_baud=115200)
    client.opened()

    def settled(baud):
        before = len(client.events)
        client.link.ask_baud(baud)
        return client.run(lambda: client.of(BaudSettled, before))[0]

    assert settled(123456) == BaudSettled(115200, held=False)
    # A machine that stands still for 5 ms while the rate changes misses the probes, and both go back: then once more.
    assert any(settled(460800).held for _ in range(10))
    Echo(client).run(10)
    client.rest(0.6)
    assert client.link.baud == 460800, "both have stayed there"
    assert not client.of(Down)
