"""The sink ``webhook`` against a real web server."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from vedette.errors import ConfigError
from vedette.registry import load_plugins
from vedette_delivery.webhook.sink import _after_s


@pytest.fixture(scope="module")
def registry():
    return load_plugins(["vedette_delivery.plugin"])


@pytest.fixture
def open_sink(registry, tmp_path):
    spec = registry.sinks["webhook"]
    opened = []

    def open_one(url, **params):
        plain = {"url": url, "outbox": {"path": str(tmp_path / "hook.db")}, **params}
        opened.append(spec.open(registry.convert_params(spec, plain, "sink[0].params")))
        return opened[-1]

    yield open_one
    for sink in opened:
        sink.abort()


def test_events_are_posted_in_order_over_one_connection(server, open_sink, make_event):
    sink = open_sink(f"{server.url}?site=7", headers={"X-Site": "north"})
    for number in range(20):
        sink.write_event(make_event(number))
    sink.close()
    assert server.ids() == [f"id-{number:04}" for number in range(20)]
    path, headers, body = server.requests[3]
    assert path == "/hook?site=7"
    assert headers["Idempotency-Key"] == json.loads(body)["id"] == "id-0003"
    assert (headers["Content-Type"], headers["X-Site"]) == ("application/json", "north")
    assert sink.status()["delivered"] == 20


@pytest.mark.parametrize("secret", ["some text", "whsec_" + base64.b64encode(b"\0\1\2key").decode()])
def test_a_receiver_can_check_who_sent_it_and_when(secret, server, open_sink, make_event, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", secret)
    sink = open_sink(server.url, secret="env:HOOK_SECRET")
    sink.write_event(make_event(1))
    sink.close()
    _, headers, body = server.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    key = secret.encode() if secret == "some text" else b"\0\1\2key"
    signed = f"id-0001.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert headers["webhook-id"] == "id-0001"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


@pytest.mark.parametrize("status", [500, 502, 503, 429, 401, 404, 302])
def test_what_says_nothing_of_the_event_is_tried_again(status, server, open_sink, make_event, wait_until):
    server.answers = [(200, {}), (status, {}), (status, {})]
    sink = open_sink(server.url)
    for number in range(4):
        sink.write_event(make_event(number))
    wait_until(lambda: sink.status()["delivered"] == 4)
    assert server.ids() == ["id-0000", "id-0001", "id-0001", "id-0001", "id-0002", "id-0003"]
    assert sink.status()["refused"] == 0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_event_that_is_refused_is_put_aside_and_shown(
    status, server, open_sink, make_event, wait_until, caplog
):
    server.answers = [(200, {}), (status, {})]
    sink = open_sink(server.url)
    for number in range(3):
        sink.write_event(make_event(number))
    wait_until(lambda: sink.status()["delivered"] == 2)
    assert server.ids() == ["id-0000", "id-0001", "id-0002"]
    assert sink.status()["refused"] == 1
    assert f"the server says {status}" in sink.status()["refused_last"]
    assert "event id-0001 was refused and is kept" in caplog.text


def test_retry_after_is_kept_to(server, open_sink, make_event, wait_until):
    server.answers = [(503, {"Retry-After": "2"})]
    sink = open_sink(server.url)
    sink.write_event(make_event(1))
    wait_until(lambda: len(server.requests) == 1)
    begin = time.monotonic()
    wait_until(lambda: sink.status()["delivered"] == 1)
    assert time.monotonic() - begin > 1.5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0), ("7", 7), ("-3", 0), ("1e9", 3600), ("nan", 0), ("soon", 0), ("", 0),
        (format_datetime(datetime.now(UTC) - timedelta(days=1)), 0),
        (format_datetime(datetime.now(UTC) + timedelta(days=1)), 3600),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_the_standard_says(value, seconds):
    assert _after_s(value) == seconds


def test_a_server_that_closes_after_each_answer(server, open_sink, make_event):
    server.drop_after = 1
    sink = open_sink(server.url)
    for number in range(5):
        sink.write_event(make_event(number))
    sink.close()
    assert server.ids() == [f"id-{number:04}" for number in range(5)]


def test_a_server_that_is_away_delays_and_loses_nothing(server, open_sink, make_event, wait_until, tmp_path):
    sink = open_sink("http://127.0.0.1:9/hook")  # discard: nobody listens
    for number in range(5):
        sink.write_event(make_event(number))
    wait_until(lambda: "ConnectionRefusedError" in sink.status()["trouble"])
    sink.close()
    later = open_sink(server.url)
    wait_until(lambda: later.status()["delivered"] == 5)
    assert server.ids() == [f"id-{number:04}" for number in range(5)]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"url": "ftp://host/"}, "no address of a web server"),
        ({"url": "http://me:hunter2@host/"}, "has a user or password in it"),
        ({"secret": "hunter2"}, "a secret is not written into a configuration"),
        ({"authorization": "env:NOT_THERE"}, "NOT_THERE is not set"),
        ({"headers": {"X": "a\r\nY: b"}}, "is not one line of ASCII"),
        ({"ca": "not-there.pem", "url": "https://host/"}, "cannot be read"),
    ],
)
def test_wrong_parameters_are_said(params, said, open_sink):
    with pytest.raises(ConfigError, match=said) as caught:
        open_sink(**{"url": "http://host/", **params})
    assert "hunter2" not in str(caught.value)
