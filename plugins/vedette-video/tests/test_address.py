import pytest

from vedette.errors import ConfigError, SourceError
from vedette_video.address import parse_address


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", "p@ss/w:rd?#%")


def test_address_without_login():
    address = parse_address("rtsp://camera:554/live?channel=1", None, None)
    assert (address.uri, address.user, address.password) == ("rtsp://camera:554/live?channel=1", "", "")
    assert address.with_login() == address.shown == address.uri


@pytest.mark.parametrize(
    ("uri", "user", "reference"),
    [
        ("rtsp://camera:554/live", "ad min", "env:CAMERA_PASSWORD"),
        ("rtsp://ad%20min:p%40ss%2Fw%3Ard%3F%23%25@camera:554/live", None, None),
    ],
)
def test_login_is_kept_apart_and_escaped_for_ffmpeg(uri, user, reference):
    address = parse_address(uri, user, reference)
    assert (address.user, address.password) == ("ad min", "p@ss/w:rd?#%")
    assert address.uri == address.shown == "rtsp://camera:554/live"
    assert address.with_login() == "rtsp://ad%20min:p%40ss%2Fw%3Ard%3F%23%25@camera:554/live"
    assert "p@ss" not in repr(address)
    assert "ad min" not in repr(address)


def test_address_of_ipv6():
    assert parse_address("http://a:b@[fe80::1]:80/x", None, None).uri == "http://[fe80::1]:80/x"


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("rtsp://", "is not an address"),
        ("rtsp:///live", "is not an address"),
        ("rtsp://camera:port/live", "is not an address"),
        ("rtsp://camera:99999/live", "is not an address"),
        ("rtsp://admin:hunter/2@camera/live", "is not an address"),
        ("rtsp://admin:hunter@2@camera/li@ve", "more than one @"),
        ("rtsp://admin:hun@ter/2@camera/live", "more than one @"),
        ("rtsp://cam era/live", "a blank or a control character"),
        ("rtsp://camera/live\r\nSETUP: x", "a blank or a control character"),
        ("rtsp://[fe80::1/live", "is not an address"),
    ],
)
def test_what_is_no_address(uri, problem):
    with pytest.raises(SourceError, match=problem) as caught:
        parse_address(uri, None, None)
    assert "hun" not in str(caught.value)
    assert caught.value.fix


def test_login_given_twice():
    with pytest.raises(SourceError, match="given twice") as caught:
        parse_address("rtsp://admin:hunter2@camera/live", "admin", None)
    assert "hunter2" not in str(caught.value)


def test_password_that_is_not_there():
    with pytest.raises(
        ConfigError, match="rtsp://camera/live: password: the environment variable NOPE is not set"
    ):
        parse_address("rtsp://camera/live", "admin", "env:NOPE")
