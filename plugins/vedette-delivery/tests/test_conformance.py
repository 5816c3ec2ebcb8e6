"""Both sinks keep to what every sink keeps to, with nobody at the other end."""

import subprocess
import sys

import pytest

from vedette.registry import load_plugins
from vedette.testing.conformance import SinkConformance


def spec_of(name):
    return load_plugins(["vedette_delivery.plugin"]).sinks[name]


def check_database(path):
    """What is in the outbox's folder is the database, whole, and the lock beside it."""
    if path.suffix == ".db":
        assert path.read_bytes()[:15] == b"SQLite format 3"
    else:
        assert path.name == "box.db.lock"


class TestMqtt(SinkConformance):
    @pytest.fixture
    def spec(self):
        return spec_of("mqtt")

    @pytest.fixture
    def params(self, folder):
        return {"host": "127.0.0.1", "port": 9, "outbox": {"path": str(folder / "box.db")}}

    @pytest.fixture
    def check_file(self):
        return check_database


class TestWebhook(SinkConformance):
    @pytest.fixture
    def spec(self):
        return spec_of("webhook")

    @pytest.fixture
    def params(self, folder):
        return {"url": "http://127.0.0.1:9/", "outbox": {"path": str(folder / "box.db")}}

    @pytest.fixture
    def check_file(self):
        return check_database


def test_listing_the_plugin_loads_neither_client_nor_database():
    program = "import sys, vedette_delivery.plugin as p; list(p.vedette_sinks()); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"paho", "sqlite3", "http.client", "ssl"} & set(loaded)
