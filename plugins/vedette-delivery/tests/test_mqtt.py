"""The sink ``mqtt`` against a real Mosquitto."""

import base64
import gc
import hashlib
import json
import platform
import shutil
import subprocess

import pytest

from vedette.errors import ConfigError
from vedette.events import Evidence
from vedette.registry import load_plugins

BOX = platform.node().replace("/", "_")
STATUS = f"vedette/{BOX}/status"


@pytest.fixture(scope="module")
def registry():
    return load_plugins(["vedette_delivery.plugin"])


@pytest.fixture
def open_sink(registry, tmp_path):
    spec = registry.sinks["mqtt"]
    opened = []

    def open_one(**params):
        plain = {"host": "127.0.0.1", "outbox": {"path": str(tmp_path / "mqtt.db")}, **params}
        opened.append(spec.open(registry.convert_params(spec, plain, "sink[0].params")))
        return opened[-1]

    yield open_one
    for sink in opened:
        sink.abort()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_events_arrive_in_order_with_all_that_they_say(
    version, make_broker, listen, open_sink, make_event, wait_until
):
    broker = make_broker()
    listener = listen(broker.port)
    sink = open_sink(port=broker.port, version=version)
    for number in range(60):
        sink.write_event(make_event(number))
    sink.close()
    assert sink.status()["delivered"] == 60
    wait_until(lambda: len(listener.ids()) >= 60)
    assert listener.ids() == [f"id-{number:04}" for number in range(60)]
    assert listener.events[3] == {
        "id": "id-0003", "kind": "zone.entered", "stream": "gate", "epoch": 0, "stage": "zones",
        "subject": "track:7", "t_start_ns": 1, "t_end_ns": None, "data": {"n": 3}, "evidence": [],
    }  # fmt: skip
    topics = {topic for topic, payload, _ in listener.messages if payload.startswith(b'{"id"')}
    assert topics == {f"vedette/{BOX}/gate/zone.entered"}


def test_a_broker_that_is_down_delays_and_loses_nothing(
    make_broker, listen, open_sink, make_event, wait_until
):
    broker = make_broker("allow_anonymous true")
    listener = listen(broker.port)
    sink = open_sink(port=broker.port, timeout_s=2)
    for number in range(200):
        sink.write_event(make_event(number))
        if number == 60:
            wait_until(lambda: sink.status()["delivered"] > 0)
            broker.stop()
            wait_until(lambda: sink.status()["trouble"])
    assert sink.status()["waiting"] > 0
    broker.start()
    wait_until(lambda: sink.status()["waiting"] == 0, sink.status())
    wait_until(lambda: set(listener.ids()) >= {f"id-{number:04}" for number in range(61, 200)})
    assert sink.status()["trouble"] == ""
    fresh = list(dict.fromkeys(listener.ids()))
    assert fresh == sorted(fresh), "in order, whatever came twice"


def test_a_broker_that_is_not_there_at_the_start(make_broker, listen, open_sink, make_event, wait_until):
    broker = make_broker()
    broker.stop()
    sink = open_sink(port=broker.port)
    sink.write_event(make_event(1))
    wait_until(lambda: sink.status()["trouble"])
    assert "127.0.0.1" in sink.status()["trouble"]
    broker.start()
    wait_until(lambda: sink.status()["delivered"] == 1)


def test_others_see_that_the_box_is_there_and_that_it_is_gone(
    make_broker, listen, open_sink, make_event, wait_until
):
    broker = make_broker()
    listener = listen(broker.port)
    sink = open_sink(port=broker.port)
    wait_until(lambda: listener.on(STATUS) == [b"online"])
    sink.close()
    wait_until(lambda: listener.on(STATUS) == [b"online", b"offline"])
    again = listen(broker.port)
    wait_until(lambda: (STATUS, b"offline", True) in again.messages, "it is retained")


def test_the_last_will_is_published_when_the_connection_breaks(
    make_broker, listen, open_sink, make_event, wait_until
):
    broker = make_broker()
    listener = listen(broker.port)
    sink = open_sink(port=broker.port)
    wait_until(lambda: listener.on(STATUS) == [b"online"])
    connection = sink._courier._destination._connection
    connection._client.socket().shutdown(2)
    wait_until(lambda: listener.on(STATUS)[:3] == [b"online", b"offline", b"online"])


def test_home_assistant_is_told_once_of_each_kind(make_broker, listen, open_sink, make_event, wait_until):
    broker = make_broker()
    listener = listen(broker.port)
    sink = open_sink(port=broker.port, home_assistant=True, topic="site/{box}/{stream}/{kind}/{subject}")
    for number in range(6):
        sink.write_event(
            make_event(number, kind=("zone.entered", "line.crossed")[number % 2], subject=f"t/{number}")
        )
    sink.close()
    wait_until(lambda: len(listener.events) >= 6)
    configs = [(t, json.loads(p)) for t, p, _ in listener.messages if t.startswith("homeassistant/event/")]
    assert len(configs) == 2
    for topic, config in configs:
        assert topic.endswith(f"/{config['unique_id']}/config")
        assert config["availability_topic"] == STATUS
        (kind,) = config["event_types"]
        assert config["state_topic"] == f"site/{BOX}/gate/{kind}/+"
    jinja2 = pytest.importorskip("jinja2", reason="needs jinja2: pip install jinja2")
    template = jinja2.Environment()
    template.filters["to_json"] = json.dumps
    shown = template.from_string(configs[0][1]["value_template"]).render(value_json=listener.events[0])
    assert json.loads(shown)["event_type"] == "zone.entered"
    assert json.loads(shown)["data"] == {"n": 0}
    again = listen(broker.port)
    wait_until(lambda: len([t for t, _, kept in again.messages if kept and t.endswith("/config")]) == 2)


@pytest.mark.parametrize("where", ["inline", "files", "none"])
def test_evidence_goes_where_it_should(
    where, make_broker, listen, open_sink, make_event, wait_until, tmp_path
):
    broker = make_broker()
    listener = listen(broker.port)
    sink = open_sink(port=broker.port, evidence={"where": where})
    picture = bytes(range(256)) * 40
    sink.write_event(make_event(1, (Evidence(media_type="image/png", data=picture, title="the door"),)))
    sink.close()
    wait_until(lambda: listener.events)
    found = listener.events[0]["evidence"]
    if where == "none":
        assert found == []
        return
    (item,) = found
    assert item["title"] == "the door"
    if where == "inline":
        assert base64.b64decode(item["data"]) == picture
        assert item["path"] is None
    else:
        assert item["path"] == str(tmp_path / "mqtt.evidence" / "id-0001-0.png")
        assert (tmp_path / "mqtt.evidence" / "id-0001-0.png").read_bytes() == picture
        assert item["sha256"] == hashlib.sha256(picture).hexdigest()


def test_one_that_is_too_large_for_the_broker_is_put_aside_and_the_others_go_on(
    make_broker, listen, open_sink, make_event, wait_until
):
    broker = make_broker("allow_anonymous true", "max_packet_size 20000")
    listener = listen(broker.port)
    sink = open_sink(port=broker.port)
    large = Evidence(media_type="image/png", data=bytes(30_000))
    for number in range(3):
        sink.write_event(make_event(number, (large,) if number == 1 else ()))
    wait_until(lambda: sink.status()["delivered"] == 2)
    assert sink.status()["refused"] == 1
    assert "the broker takes 20000" in sink.status()["refused_last"]
    wait_until(lambda: len(listener.ids()) >= 2)
    assert listener.ids() == ["id-0000", "id-0002"]


def test_a_wrong_password_is_said_and_nothing_is_lost(
    make_broker, listen, open_sink, make_event, tmp_path, wait_until, monkeypatch, caplog
):
    passwd = shutil.which("mosquitto_passwd")
    if passwd is None:
        pytest.skip("needs mosquitto_passwd: apt-get install --no-install-recommends mosquitto")
    users = tmp_path / "users"
    subprocess.run([passwd, "-b", "-c", users, "box", "right-one"], check=True, capture_output=True)
    broker = make_broker("allow_anonymous false", f"password_file {users}", "user root")
    monkeypatch.setenv("BROKER_PASSWORD", "wrong-one")
    sink = open_sink(port=broker.port, user="box", password="env:BROKER_PASSWORD")
    sink.write_event(make_event(1))
    wait_until(lambda: "does not let this client in" in sink.status()["trouble"])
    sink.close()
    assert "wrong-one" not in caplog.text
    monkeypatch.setenv("BROKER_PASSWORD", "right-one")
    listener = listen(broker.port, "box", "right-one")
    open_sink(port=broker.port, user="box", password="env:BROKER_PASSWORD")
    wait_until(lambda: listener.ids() == ["id-0001"])


# paho leaves the socket of a handshake that failed to the garbage collector
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")
def test_a_broker_with_tls_must_be_vouched_for(make_broker, open_sink, make_event, tmp_path, wait_until):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o644)
    broker = make_broker("allow_anonymous true", f"certfile {certificate}", f"keyfile {key}", "user root")
    sink = open_sink(port=broker.port, tls=True)
    sink.write_event(make_event(1))
    wait_until(lambda: "certificate verify failed" in sink.status()["trouble"])
    sink.close()
    gc.collect()
    trusting = open_sink(port=broker.port, tls={"ca": str(certificate)})
    wait_until(lambda: trusting.status()["delivered"] == 1)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"password": "env:NOT_THERE", "user": "a"}, "NOT_THERE is not set"),
        ({"password": "hunter2", "user": "a"}, "a secret is not written into a configuration"),
        ({"password": "env:HOME"}, "a password without a user"),
        ({"topic": "a/#"}, "no topic to publish to"),
        ({"topic": "a/{camera}"}, "no topic to publish to"),
        ({"status_topic": "{kind}"}, "no topic to publish to"),
        ({"tls": {"ca": "not-there.pem"}}, "a certificate cannot be read"),
        ({"qos": 0}, "unknown field `qos`"),
        ({"outbox": {"path": "x.db", "full": "newest"}}, r"sink\[0\]\.params\.outbox\.full"),
    ],
)
def test_wrong_parameters_are_said(params, said, open_sink):
    with pytest.raises(ConfigError, match=said) as caught:
        open_sink(**params)
    assert "hunter2" not in str(caught.value)
