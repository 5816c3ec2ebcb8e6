"""Either side may end at any moment: the link comes back by itself, and brings nothing of before."""

import random
import socket
import statistics

from echoing import Echo

from vedette_bridge.vlp.control import Type
from vedette_bridge.vlp.events import Down, ImageReceived
from vedette_bridge.vlp.frame import CTL
from vedette_bridge.vlp.parser import Parser
from vedette_bridge.vlp.rpc import Method, Parameter

UP_AGAIN_US = 1_000_000
"""From the first byte of the one that restarted to the session."""


def test_reset_at_any_moment(machine, connect):
    client, rng = connect(machine.address), random.Random(5)
    client.opened()
    taken = []
    for _ in range(8):
        echo = Echo(client, seed=rng.random())
        count = rng.randrange(1, 40)
        client.run(lambda: echo.step(count))  # noqa: B023
        client.first_byte_us = None
        machine.reset()
        up = client.up()
        taken.append(client.times_us[client.events.index(up)] - client.first_byte_us)
        Echo(client).run(3)
    assert len(client.of(Down)) == 8
    assert statistics.median(taken) < UP_AGAIN_US, taken


def test_the_box_starts_again_at_any_moment(machine, connect):
    rng = random.Random(6)
    for _ in range(4):
        with connect(machine.address) as client:
            client.opened()
            client.call(Method.SET, {Parameter.RATE_MHZ: 1_000_000})
            client.call(Method.START, {0: 0})
            echo = Echo(client)
            count = rng.randrange(1, 30)
            client.run(lambda: echo.step(count))  # noqa: B023
            client.link.close = lambda: b""  # no BYE: as if killed
    client = connect(machine.address)
    Echo(client).run(5)
    client.rest(0.3)
    assert not client.of(ImageReceived), "nobody has asked for images in this session"


def test_restart_on_command(machine, connect):
    client = connect(machine.address)
    client.opened()
    assert client.call(Method.REBOOT).error == 0
    client.up()
    Echo(client).run(3)


def test_kill(machine, connect):
    client = connect(machine.address)
    echo = Echo(client)
    client.run(lambda: echo.step(5))
    machine.kill()
    client.run(lambda: client.of(Down))
    assert client.of(Down)[0].reason == "silent"
    assert client.link.state == "opening"
    client.first_byte_us = None
    machine.start_again()
    up = client.up()
    assert client.times_us[client.events.index(up)] - client.first_byte_us < UP_AGAIN_US
    Echo(client).run(3)


def boot_id(address):
    """What the first BOOT that comes says."""
    parser = Parser(64)
    with socket.create_connection(address, timeout=40) as port:
        while (frame := parser.pull()) is None:
            parser.push(port.recv(4096))
    assert (frame.ch, frame.salted, frame.payload[0]) == (CTL, False, Type.BOOT)
    return int.from_bytes(frame.payload[4:8], "little")


def test_every_start_has_a_number_of_its_own(machine):
    found = [boot_id(machine.address)]
    assert boot_id(machine.address) == found[0], "the same start"
    machine.reset()
    found.append(boot_id(machine.address))
    machine.kill()
    machine.start_again()
    found.append(boot_id(machine.address))
    assert len(set(found)) == 3, found
