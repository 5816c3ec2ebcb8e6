"""Requests to servers that behave badly. Nothing waits longer than its deadline."""

import base64
import hashlib
import re
import time

import pytest
from scripted import answer, drip, say

from vedette.errors import SourceError
from vedette_video.address import parse_address
from vedette_video.http_client import Tls, get

PASSWORD = "hunter2:@/"
PICTURE = answer("image/jpeg", b"jpeg")


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", PASSWORD)


def ask(server, path="/", *, login=False, timeout_s=5.0, scheme="http", **tls):
    user, reference = ("admin", "env:CAMERA_PASSWORD") if login else (None, None)
    address = parse_address(f"{scheme}://127.0.0.1:{server.port}{path}", user, reference)
    response = get(address, Tls(**tls), time.monotonic() + timeout_s)
    try:
        body = b""
        while some := response.read_some(time.monotonic() + timeout_s):
            body += some
        return response, body
    finally:
        response.close()


def read_all(response, deadline):
    while response.read_some(deadline):
        pass


def test_an_answer(scripted):
    server = scripted(say(answer('Image/JPEG; x="y"', b"body", headers=["Content-Length: 4"]), then="hang"))
    response, body = ask(server, "/a b?c=d&e".replace(" ", "%20"))
    assert (response.content_type, body) == ("image/jpeg", b"body")
    assert server.requests[0].startswith("GET /a%20b?c=d&e HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n" in server.requests[0]


def test_chunked_answer(scripted):
    body = b"4\r\nabcd\r\n2;x=y\r\nef\r\n0\r\n\r\n"
    server = scripted(say(answer("image/jpeg", body, headers=["Transfer-Encoding: chunked"])))
    assert ask(server)[1] == b"abcdef"


def test_boundary(scripted):
    server = scripted(say(answer('multipart/x-mixed-replace; boundary="--a b"')))
    response, _ = ask(server)
    assert (response.content_type, response.boundary) == ("multipart/x-mixed-replace", "--a b")


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (say(then="hang"), "no answer in time"),
        (say(b"HTTP/1.1 200 OK\r\nContent-Ty", then="hang"), "no answer in time"),
        (drip(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05), "no answer in time"),
        (drip(answer("image/jpeg"), b"x", 0.05), None),
        (say(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000, then="repeat"), "no HTTP"),
        (say(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536, then="repeat"), "no HTTP"),
        (say(b"\0\xff garbage" * 100, then="repeat"), "no HTTP"),
        (say(b"ICY 200 OK\r\n\r\n"), "no HTTP"),
        (say(), "does not answer: it has ended the connection"),
        (say(b"HTTP/1.1 100 Continue\r\n\r\n", then="repeat"), "no answer in time|no HTTP"),
        (say(answer("image/jpeg", b"zz\r\n", headers=["Transfer-Encoding: chunked"])), "no HTTP"),
        (say(answer("a/b", status="404 hunter2")), r"answers 404 \(Not Found\)"),
        (say(answer("a/b", status="503 x")), r"answers 503 \(Service Unavailable\)"),
        (say(answer("a/b", status="999 x")), r"answers 999 \(unknown status\)"),
        (
            say(answer("a/b", status="401 x", headers=["WWW-Authenticate: Basic"])),
            "another user and password",
        ),
    ],
    ids=range(15),
)
def test_bad_answers(scripted, act, problem):
    server = scripted(act)
    began = time.monotonic()
    if problem is None:  # it drips: a deadline for the whole answer is up to who reads it
        address = parse_address(f"http://127.0.0.1:{server.port}/", None, None)
        response = get(address, Tls(), time.monotonic() + 1.0)
        deadline = time.monotonic() + 0.5
        with pytest.raises(SourceError, match="no answer in time"):
            read_all(response, deadline)
        response.close()
    else:
        with pytest.raises(SourceError, match=problem) as caught:
            ask(server, timeout_s=1.0)
        assert f"http://127.0.0.1:{server.port}" in caught.value.message
        assert "hunter2" not in str(caught.value)
        assert caught.value.fix
    assert time.monotonic() - began < 8


def test_nobody_there(scripted):
    server = scripted(say())
    server.close()
    with pytest.raises(SourceError, match="cannot be reached: Connection refused"):
        ask(server)


def test_name_that_does_not_exist():
    address = parse_address("http://no-such-host.invalid/", None, None)
    with pytest.raises(SourceError, match=r"http://no-such-host\.invalid/ cannot be reached"):
        get(address, Tls(), time.monotonic() + 5)


# --- user and password ----------------------------------------------------------------------------------------------


def test_basic(scripted):
    server = scripted(
        say(answer("a/b", status="401 x", headers=['WWW-Authenticate: Basic realm="cam"'])), say(PICTURE)
    )
    assert ask(server, login=True)[1] == b"jpeg"
    assert "Authorization" not in server.requests[0]
    proof = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    assert f"\r\nAuthorization: Basic {proof}\r\n" in server.requests[1]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", None])
@pytest.mark.parametrize("qop", ["auth", "auth-int,auth", None])
def test_digest(scripted, algorithm, qop):
    """The answer is computed again here, as RFC 7616 says."""
    challenge = 'WWW-Authenticate: Digest realm="a, b", nonce="n0", opaque="o"'
    challenge += f", algorithm={algorithm}" if algorithm else ""
    challenge += f', qop="{qop}"' if qop else ""
    headers = ['WWW-Authenticate: Basic realm="cam"', challenge]
    server = scripted(say(answer("a/b", status="401 x", headers=headers)), say(PICTURE))
    assert ask(server, "/v?x=1", login=True)[1] == b"jpeg"
    said = re.search(r"Authorization: Digest (.*)\r\n", server.requests[1])[1]
    fields = dict(re.findall(r'(\w+)="?([^",]+(?:, b)?)"?', said))
    assert (fields["username"], fields["uri"], fields["opaque"]) == ("admin", "/v?x=1", "o")

    def h(text):
        return hashlib.new("md5" if algorithm != "SHA-256" else "sha256", text.encode()).hexdigest()

    middle = f"n0:{fields['nc']}:{fields['cnonce']}:auth" if qop else "n0"
    assert fields["response"] == h(f"{h(f'admin:a, b:{PASSWORD}')}:{middle}:{h('GET:/v?x=1')}")
    assert PASSWORD not in server.requests[1]


def test_wrong_password_is_asked_once(scripted):
    server = scripted(say(answer("a/b", status="401 x", headers=["WWW-Authenticate: Basic"])))
    with pytest.raises(SourceError, match=r"wants another user and password \(401\)"):
        ask(server, login=True)
    assert len(server.requests) == 2


def test_unknown_way_of_asking(scripted):
    server = scripted(say(answer("a/b", status="401 x", headers=["WWW-Authenticate: Negotiate"])))
    with pytest.raises(SourceError, match="in a way that is not known here"):
        ask(server, login=True)


# --- redirects ------------------------------------------------------------------------------------------------------


def redirect(location):
    return say(answer("a/b", status="302 Found", headers=[f"Location: {location}"]))


def test_password_goes_along_to_the_same_host_only(scripted):
    demand = say(answer("a/b", status="401 x", headers=["WWW-Authenticate: Basic"]))
    foreign = scripted(demand)
    home = scripted(demand, redirect("/elsewhere"), demand, redirect(f"http://127.0.0.1:{foreign.port}/x"))
    with pytest.raises(SourceError, match="another user and password"):
        ask(home, login=True)
    assert [("Authorization" in request) for request in home.requests] == [False, True, False, True]
    assert home.requests[2].startswith("GET /elsewhere ")
    assert len(foreign.requests) == 1
    assert "Authorization" not in foreign.requests[0]


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://x/", "http://u:p@x/", "http://[x/", "rtsp://x/"]
)
def test_redirect_to_what_is_no_http(scripted, location):
    with pytest.raises(SourceError, match="redirects to what is no address of HTTP"):
        ask(scripted(redirect(location)))


def test_redirect_without_end(scripted):
    with pytest.raises(SourceError, match="redirects for ever"):
        ask(scripted(redirect("/again")))


# --- TLS ------------------------------------------------------------------------------------------------------------


def test_certificate_is_checked(scripted, certificate):
    server = scripted(say(PICTURE), cert=certificate)
    with pytest.raises(SourceError, match="does not prove who it is") as caught:
        ask(server, scheme="https")
    assert "ca_file" in caught.value.fix
    assert ask(server, scheme="https", ca_file=f"{certificate}.crt")[1] == b"jpeg"
    assert ask(server, scheme="https", verify=False)[1] == b"jpeg"


def test_certificates_that_are_none(scripted, certificate, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    server = scripted(say(PICTURE), cert=certificate)
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(SourceError, match=f"ca_file {path} cannot be used"):
            ask(server, scheme="https", ca_file=str(path))


def test_server_without_tls(scripted):
    server = scripted(say(b"no TLS at all\r\n" * 10))
    with pytest.raises(SourceError, match="cannot be reached by TLS"):
        ask(server, scheme="https", timeout_s=1.0)
