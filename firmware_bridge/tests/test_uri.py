import dataclasses

import pytest

from vedette_bridge import ParameterError
from vedette_bridge.uri import parse_uri, read_options


@pytest.mark.parametrize(
    ("text", "driver", "port_url", "local", "options"),
    [
        ("vlp:///dev/ttyACM0?baud=3000000", "vlp", "/dev/ttyACM0", True, {"baud": "3000000"}),
        ("vlp:COM3", "vlp", "COM3", True, {}),
        ("VISCA+socket://10.0.0.5:5678", "visca", "socket://10.0.0.5:5678", False, {}),
        ("vlp+rfc2217://host:2217?baud=9600", "vlp", "rfc2217://host:2217", False, {"baud": "9600"}),
        ("visca://10.0.0.5", "visca", "socket://10.0.0.5", False, {}),
        ("vlp+loop://", "vlp", "loop://", False, {}),
    ],
)
def test_addresses(text, driver, port_url, local, options):
    address = parse_uri(text)
    assert (address.driver, address.port_url, address.local) == (driver, port_url, local)
    assert address.options == options


@pytest.mark.parametrize(
    "text", ["", "visca", "visca:", "visca://", "/dev/ttyUSB0", "://x", "visca:///x?a=1&a=2"]
)
def test_bad_addresses(text):
    with pytest.raises(ParameterError):
        parse_uri(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("visca://cam", ("cam", 7)),
        ("visca://cam:80", ("cam", 80)),
        ("visca://[::1]:9", ("::1", 9)),
        ("visca://[::1]", ("::1", 7)),
    ],
)
def test_host_and_port(text, place):
    assert parse_uri(text).host_port(7) == place


@pytest.mark.parametrize("text", ["visca://cam:0", "visca://cam:x", "visca://:5", "visca://cam:65536"])
def test_bad_host_and_port(text):
    with pytest.raises(ParameterError, match="HOST:PORT"):
        parse_uri(text).host_port(7)


@dataclasses.dataclass
class Options:
    count: int = 1
    share: float = 0.5
    name: str = ""
    loud: bool = False


def test_options_take_the_types_of_their_fields():
    assert read_options(Options, {"count": "0x10", "share": "2", "name": "7", "loud": "off"}, "x") == Options(
        16, 2.0, "7"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": "1.5"}, "x: option count must be a int, not '1.5'"),
        ({"loud": "maybe"}, "loud must be a bool"),
        ({"cuont": "1"}, "did you mean 'count'"),
    ],
)
def test_bad_options(given, message):
    with pytest.raises(ParameterError, match=message):
        read_options(Options, given, "x")
