"""A real Mosquitto, a real web server, and somebody who listens."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from vedette.events import Event, Evidence
from vedette.outbox import courier

PATIENCE_S = 30.0
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def until(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"it does not happen: {what}"
        time.sleep(0.01)


@pytest.fixture
def wait_until():
    return until


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(courier, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(courier, "LONGEST_PAUSE_S", 0.5)
    monkeypatch.setattr(courier, "TEND_S", 0.1)


def event(number: int = 0, evidence: tuple[Evidence, ...] = (), **fields) -> Event:
    plain = {
        "id": f"id-{number:04}",
        "kind": "zone.entered",
        "stream": "gate",
        "stage": "zones",
        "subject": "track:7",
    }
    return Event(
        **plain | fields, epoch=0, t_start_ns=1, t_end_ns=None, data={"n": number}, evidence=evidence
    )


@pytest.fixture
def make_event():
    return event


class Broker:
    """A Mosquitto that can be started and stopped, at the same port; it keeps the sessions of those who listen."""

    def __init__(self, folder: Path, lines: tuple[str, ...] = ()) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        keeping = ("persistence true", f"persistence_location {folder}/", "max_queued_messages 0")
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *keeping, *lines]) + "\n")
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", self._config], stdout=log, stderr=log)

        def answers() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                return False
            return True

        until(answers, "the broker answers")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None


@pytest.fixture
def make_broker(tmp_path):
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto: apt-get install --no-install-recommends mosquitto")
    made = []

    def make(*lines: str) -> Broker:
        made.append(Broker(tmp_path, lines or ("allow_anonymous true",)))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


class Listener:
    """Hears everything that is published, and connects again when it must."""

    def __init__(self, port: int, name: str, user: str | None = None, password: str | None = None) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.reconnect_delay_set(0.05, 0.2)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda client, data, m: self.messages.append((m.topic, m.payload, m.retain))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    @property
    def events(self) -> list[dict]:
        return [json.loads(payload) for _, payload, _ in self.messages if payload.startswith(b'{"id"')]

    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

    def on(self, topic: str) -> list[bytes]:
        return [payload for found, payload, _ in self.messages if found == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listen():
    opened = []

    def one(port: int, *login: str) -> Listener:
        opened.append(Listener(port, f"listener-{len(opened)}", *login))
        return opened[-1]

    yield one
    for listener in opened:
        listener.close()


class Server:
    """A web server that answers as it is told: ``answers`` holds (status, headers) to give before 200s."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.drop_after = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.requests.append((self.path, dict(self.headers), body))
                status, headers = server.answers.pop(0) if server.answers else (200, {})
                self.send_response(status)
                for name, value in {"Content-Length": "2", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"ok")
                self.close_connection = bool(server.drop_after)

            def log_message(self, *arguments):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, _, body in self.requests]

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()
