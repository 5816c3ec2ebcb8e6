"""SMP: the driver is smpclient, the emulator has none of it; on a serial console and over UDP."""

import asyncio
import base64
import binascii
import hashlib
import random

import pytest

from vedette_bridge import (
    DeviceError,
    LinkTimeoutError,
    NotSupportedError,
    PortError,
    open_camera,
)
from vedette_bridge.port import Port
from vedette_bridge.protocols.smp import cbor
from vedette_bridge.protocols.smp.transport import ConsoleTransport

smpclient = pytest.importorskip("smpclient", reason="needs smpclient")
cbor2 = pytest.importorskip("cbor2", reason="needs smpclient")  # which brings it


@pytest.fixture(params=["pty", "udp"])
def device(request, emulated):
    _, place = emulated("smp", request.param)
    with open_camera(f"smp:{'//' if request.param == 'udp' else ''}{place}") as opened:
        yield opened


def test_echo_and_what_runs(device):
    assert device.echo("hällo") == "hällo"
    caps = device.caps()
    assert (caps.driver, caps.firmware, caps.methods) == ("smp", "1.0.0", frozenset())
    with pytest.raises(NotSupportedError):
        device.frames()


def test_a_firmware_update_from_upload_to_confirmation(device):
    image = random.Random(1).randbytes(30_000)
    steps = []
    device.upload(image, lambda done, total: steps.append((done, total)))
    assert steps == sorted(steps)
    assert steps[-1] == (30_000, 30_000)
    assert len(steps) > 10
    digest = hashlib.sha256(image).hexdigest()
    running, new = device.images()
    assert (running.active, new.active, new.hash) == (True, False, digest)
    assert device.test(new.hash)[1].pending
    device.reset()
    assert device.images()[0].hash == digest
    assert not device.images()[0].confirmed
    device.reset()  # not confirmed: the old one comes back
    assert device.images()[0].hash != digest
    device.test(digest)
    device.reset()
    assert device.confirm()[0].confirmed
    device.reset()
    assert device.images()[0].hash == digest


def test_refusals(device):
    with pytest.raises(DeviceError, match="HASH_NOT_FOUND") as caught:
        device.test("00" * 32)
    assert caught.value.code == "HASH_NOT_FOUND"
    with pytest.raises(DeviceError, match="INVALID_LENGTH"):
        device.upload(bytes(2 << 20))
    assert device.echo("still there") == "still there"


def test_nothing_answers(serve):
    class Silent:
        def receive(self, data, now_ns):
            return ()

        def tick(self, now_ns):
            return ()

    place = serve(Silent())
    with pytest.raises(LinkTimeoutError, match="does not answer"):
        open_camera(f"smp:{place}?timeout_s=0.2")


def test_ports_that_do_not_open():
    with pytest.raises(PortError, match="No such file"):
        open_camera("smp:///dev/ttyNONE")
    with pytest.raises(PortError, match="is the host reachable"):
        open_camera("smp+socket://127.0.0.1:1")


def test_over_tcp(emulated):
    _, place = emulated("smp", "tcp")
    with open_camera(f"smp+socket://{place}") as device:
        assert device.echo("tcp") == "tcp"


def test_a_device_that_logs_on_the_same_line(emulated):
    class Logging:
        def __init__(self, device):
            self.device = device

        def receive(self, data, now_ns):
            for answer in self.device.receive(data, now_ns):
                yield b"[00:00:01.000] <inf> main: tick\r\n" + answer

        def tick(self, now_ns):
            return self.device.tick(now_ns)

        def disconnected(self):
            self.device.disconnected()

    _, place = emulated("smp", wrap=Logging)
    with open_camera(f"smp:{place}") as device:
        assert device.echo("x" * 300) == "x" * 300
        assert device.stats()["other_lines"] > 0
        assert device.stats()["failures"] == 0


def test_smpclient_with_its_own_serial_transport(emulate):
    """The emulator's framing, checked by another hand than the driver's."""
    from smpclient.generics import success
    from smpclient.requests.image_management import ImageStatesRead
    from smpclient.requests.os_management import EchoWrite
    from smpclient.transport.serial import SMPSerialTransport

    _, place = emulate("smp")
    image = random.Random(2).randbytes(20_000)

    async def talk():
        async with smpclient.SMPClient(SMPSerialTransport(), place) as client:
            echo = await client.request(EchoWrite(d="from outside" * 20))
            assert success(echo)
            assert echo.r == "from outside" * 20
            offsets = [offset async for offset in client.upload(image)]
            assert offsets[-1] == len(image)
            states = await client.request(ImageStatesRead())
            assert states.images[1].hash == hashlib.sha256(image).digest()

    asyncio.run(talk())


VALUES = [
    0, 23, 24, 255, 256, 65535, 65536, 2**32, 2**63, -1, -24, -25, -(2**32),
    b"", b"x" * 300, "", "hällo", [], [1, [2, b"3"]], {}, {"a": 1, 2: [True, False, None]},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_cbor_is_that_of_another_library(value):
    assert cbor.encode(value) == cbor2.dumps(value)
    assert cbor.decode(cbor2.dumps(value)) == value


def test_cbor_of_endless_length():
    assert cbor.decode(bytes.fromhex("9f0102ff")) == [1, 2]
    assert cbor.decode(bytes.fromhex("bf6161 01ff")) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5f",
        "42ff",
        "9f01",
        "9bffffffffffffffff",
        "bf01ff",
        "c100",
        "f97e00",
        "0000",
        "81" * 9 + "00",
        "61ff",
    ],
)
def test_cbor_that_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        cbor.decode(bytes.fromhex(text))


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_message_with_a_wrong_checksum_is_dropped_and_counted(wrong):
    body = b"\x03\x00\x00\x01\x00\x00\x00\x00\xa0"
    framed = (len(body) + 2).to_bytes(2) + body + (binascii.crc_hqx(body, 0) ^ wrong).to_bytes(2)
    port = Port("loop://")
    transport = ConsoleTransport(port)
    port.write(b"\x06\x09" + base64.b64encode(framed) + b"\n")

    async def receive():
        async with asyncio.timeout(0.2):
            return await transport.receive()

    if wrong:
        with pytest.raises(TimeoutError):
            asyncio.run(receive())
    else:
        assert asyncio.run(receive()) == body
    assert transport.counters["damaged"] == wrong
    port.close()
