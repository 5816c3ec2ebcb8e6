"""Kill a pipeline and its broker at random moments while events flow: what was committed must arrive, nothing else.

    python plugins/vedette-delivery/tests/soak/outbox.py --kills 20 --down-s 60

Runs a real ``vedette run`` over a counted file with ``[state]``, a real Mosquitto, and somebody who listens. Prints
JSON; exits with 1 where an event that was noted in the journal (written when its commit had returned) did not arrive,
where what arrived is not what an undisturbed run says, or where one id had two contents.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from vedette.events import event_id
from vedette.outbox.params import OutboxParams
from vedette_delivery.mqtt.params import MqttParams
from vedette_delivery.mqtt.sink import open_mqtt

PATIENCE_S = 120.0
BROKER = """
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
persistence true
persistence_location {folder}/
"""
PIPELINE = """
name = "soak"
threads = 2

[state]
path = "state"
every_s = 0.1

[[stream]]
name = "file"
source = "numbers://{events}"
params = {{ pace_s = {pace_s} }}

[[stage]]
name = "count"
use = "count"

[[sink]]
use = "journaled"
params.journal = "{folder}/journal"
params.mqtt = {{ host = "127.0.0.1", port = {port}, timeout_s = 5, outbox = {{ path = "{folder}/mqtt.db" }} }}
"""


class Soak:
    """The three processes and what was heard."""

    def __init__(self, folder: Path, events: int, pace_s: float) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        words = {"folder": folder, "port": self.port, "events": events, "pace_s": pace_s}
        (folder / "mosquitto.conf").write_text(BROKER.format(**words))
        (folder / "soak.toml").write_text(PIPELINE.format(**words))
        self.heard: list[dict] = []
        self.broker: subprocess.Popen | None = None
        self.listener = paho.Client(CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False)
        self.subscribed = threading.Event()

    def start_broker(self) -> None:
        path = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        with (self.folder / "broker.log").open("ab") as log:
            self.broker = subprocess.Popen(
                [path, "-c", self.folder / "mosquitto.conf"], stdout=log, stderr=log, cwd=self.folder
            )

    def stop_broker(self) -> None:
        """As an update does: it keeps the session of who listens, so that what it took can be counted."""
        self.broker.terminate()
        self.broker.wait(PATIENCE_S)

    def listen(self) -> None:
        self.listener.reconnect_delay_set(0.1, 0.5)
        self.listener.on_connect = lambda client, *_: client.subscribe("vedette/+/file/#", qos=1)
        self.listener.on_subscribe = lambda *_: self.subscribed.set()
        self.listener.on_message = lambda client, data, m: self.heard.append(json.loads(m.payload))
        self.listener.connect_async("127.0.0.1", self.port)
        self.listener.loop_start()
        until(self.subscribed.is_set, "somebody listens")

    def start_vedette(self) -> subprocess.Popen:
        here = Path(__file__).parent
        environment = {**os.environ, "PYTHONPATH": str(here), "VEDETTE_HOME": str(self.folder / "home")}
        with (self.folder / "vedette.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "vedette", "--plugin", "counted", "run", "soak.toml", "--quiet"],
                cwd=self.folder, env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def journal(self) -> list[str]:
        try:
            return (self.folder / "journal").read_text().split()
        except FileNotFoundError:
            return []

    def close(self) -> None:
        self.listener.disconnect()
        self.listener.loop_stop()
        if self.broker is not None:
            self.broker.kill()
            self.broker.wait()


def until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.005)


def undisturbed(events: int) -> dict[str, int]:
    """The id of each event of an undisturbed run, and the number of its frame."""
    box, ordinals, found = platform.node(), Counter(), {}
    for seq in range(events):
        subject = f"of:{seq % 3}"
        found[event_id(box, "soak", "file", 0, "count", subject, ordinals[subject])] = seq
        ordinals[subject] += 1
    return found


def run(soak: Soak, kills: int, down_s: float, draw: random.Random) -> int:
    """Until the file is through; the number of times that a process was killed."""
    soak.start_broker()
    soak.listen()
    killed = 0
    outage = threading.Thread(target=outages, args=(soak, down_s, draw))
    outage.start()
    while True:
        before = len(soak.journal())
        process = soak.start_vedette()
        if killed < kills:
            wait_for_events(soak, before, process)
            time.sleep(draw.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
        code = process.wait()
        if code == -signal.SIGKILL:
            killed += 1
        elif code != 0:
            raise RuntimeError((soak.folder / "vedette.log").read_text()[-3000:])
        else:
            break
    outage.join()
    deliver_what_waits(soak)
    return killed


def wait_for_events(soak: Soak, before: int, process: subprocess.Popen) -> None:
    until(lambda: len(soak.journal()) > before or process.poll() is not None, "events flow")


def deliver_what_waits(soak: Soak) -> None:
    """Without doing anything of the file again."""
    outbox = OutboxParams(path=str(soak.folder / "mqtt.db"))
    sink = open_mqtt(MqttParams(host="127.0.0.1", port=soak.port, outbox=outbox))
    try:
        until(lambda: sink.status()["waiting"] == 0, "the outbox is empty")
    finally:
        sink.close()


def outages(soak: Soak, down_s: float, draw: random.Random) -> None:
    time.sleep(draw.uniform(1, 3))
    soak.stop_broker()
    time.sleep(down_s)
    soak.start_broker()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--down-s", type=float, default=60.0)
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--pace-s", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wanted = undisturbed(options.events)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), options.events, options.pace_s)
        try:
            killed = run(soak, options.kills, options.down_s, random.Random(options.seed))
            until(
                lambda: {event["id"] for event in soak.heard} >= set(soak.journal()),
                "all committed events arrive",
            )
        finally:
            soak.close()
        contents: dict[str, set[int]] = {}
        for event in soak.heard:
            contents.setdefault(event["id"], set()).add(event["data"]["count"] - 1)
        journal = set(soak.journal())
    report = {
        "kills": killed,
        "events": len(wanted),
        "committed": len(journal),
        "heard": len(soak.heard),
        "more_than_once": len(soak.heard) - len(contents),
        "lost": len(journal - contents.keys()),
        "unknown": len(contents.keys() - wanted.keys()),
        "missing": len(wanted.keys() - contents.keys()),
        "other_content": sum(found != {wanted.get(key)} for key, found in contents.items()),
    }
    print(json.dumps(report))
    return int(
        any(report[what] for what in ("lost", "unknown", "missing", "other_content"))
        or killed < options.kills
    )


if __name__ == "__main__":
    sys.exit(main())
