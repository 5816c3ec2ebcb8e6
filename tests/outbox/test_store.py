"""The database of an outbox against a model of it, and what is done about files that are not as they should be."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from vedette.errors import PipelineError
from vedette.outbox.database import VERSION
from vedette.outbox.store import Store

KEYS = st.integers(0, 12).map("id-{}".format)


class StoreAgainstModel(RuleBasedStateMachine):
    """A list of waiting and a list of refused events do the same."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder / "box.db")
        self.waiting: list[tuple[str, bytes]] = []
        self.refused: list[tuple[str, bytes]] = []

    @rule(keys=st.lists(KEYS, max_size=5), body=st.binary(max_size=40))
    def add(self, keys, body):
        new = []
        for key in keys:
            if key not in [known for known, _ in self.waiting + self.refused + new]:
                new.append((key, body))
        assert self.store.add([(key, body) for key in keys]) == len(new)
        self.waiting += new

    @rule(count=st.integers(1, 4), refuse=st.booleans())
    def settle(self, count, refuse):
        items = self.store.first(count, 1000)
        assert [(item.id, item.body) for item in items] == self.waiting[:count]
        if refuse:
            self.store.settle([], [(item, "no") for item in items])
            self.refused += self.waiting[:count]
        else:
            self.store.settle(items)
        del self.waiting[:count]
        self.store.settle(items)  # a second receipt changes nothing

    @rule(size=st.integers(0, 100))
    def drop(self, size):
        gone = 0
        while sum(len(body) for _, body in self.waiting) > size:
            del self.waiting[0]
            gone += 1
        assert self.store.drop(size, None) == gone

    @rule(kept=st.integers(0, 4))
    def forget_refused(self, kept):
        gone = max(0, len(self.refused) - kept)
        known = {item.id: item.seq for item in self.store.refused()}
        self.refused.sort(key=lambda item: known[item[0]])
        assert self.store.forget_refused(kept, 10**6) == gone
        del self.refused[:gone]

    @rule()
    def reopen(self):
        self.store.close()
        self.store = Store(self.folder / "box.db")
        assert self.store.damaged is None

    @invariant()
    def the_same_is_there(self):
        if not hasattr(self, "store"):
            return
        found = self.store.first(1000, 10**6)
        assert [(item.id, item.body) for item in found] == self.waiting
        assert {item.id for item in self.store.refused()} == {key for key, _ in self.refused}
        assert self.store.waiting == len(self.waiting)
        assert self.store.refused_count == len(self.refused)
        assert self.store.size == sum(len(body) for _, body in self.waiting)
        assert (self.store.oldest is None) == (not self.waiting)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)


StoreAgainstModel.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestStore = StoreAgainstModel.TestCase


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "box.db"


def fill(path, count=300):
    store = Store(path)
    store.add([(f"id-{n}", b"%d" % n * 500) for n in range(count)])
    store.close()


def test_refused_ones_can_be_tried_again(path):
    store = Store(path)
    store.add([("a", b"1"), ("b", b"22")])
    store.settle([], [(item, "410 Gone") for item in store.first(2, 100)])
    assert [(item.id, item.reason) for item in store.refused()] == [("a", "410 Gone"), ("b", "410 Gone")]
    assert store.retry_refused() == 2
    assert ([item.id for item in store.first(9, 9)], store.size, store.refused_count) == (["a", "b"], 3, 0)
    store.close()


def test_one_that_is_too_large_alone_still_comes(path):
    store = Store(path)
    store.add([("a", b"x" * 100), ("b", b"y" * 100)])
    assert [item.id for item in store.first(10, 50)] == ["a"]
    store.close()


def test_age_is_counted_while_it_is_open_only(path, monkeypatch):
    store = Store(path)
    store.add([("a", b"1")])
    store.close()
    again = Store(path)
    assert 0 <= again.now() - again.oldest < 5
    monkeypatch.setattr("vedette.outbox.store.time.monotonic", lambda: -again._offset + again.oldest + 100)
    assert again.drop(10**9, again.now() - 99) == 1
    again.close()


def test_two_cannot_share_one(path):
    store = Store(path)
    with pytest.raises(PipelineError, match="in use by another sink"):
        Store(path)
    store.close()
    Store(path).close()


@pytest.mark.parametrize("damage", ["header", "pages", "text"])
def test_a_damaged_one_is_moved_aside_and_what_can_be_read_goes_on(path, damage, caplog):
    fill(path)
    raw = bytearray(path.read_bytes())
    before = len(raw)
    if damage == "header":
        raw[:64] = bytes(64)
    elif damage == "pages":
        middle = len(raw) // 2
        raw[middle : middle + 8192] = b"\xff" * 8192
    else:
        raw = bytearray(b"this is no database\n" * 1000)
    path.write_bytes(raw)
    store = Store(path)
    assert store.damaged.read_bytes() == raw
    assert "is damaged" in caplog.text
    assert str(store.damaged) in caplog.text
    found = [(item.id, item.body) for item in store.first(1000, 10**9)]
    expected = [(f"id-{n}", b"%d" % n * 500) for n in range(300)]
    assert set(found) <= set(expected)
    if damage == "pages":
        assert before > 0
        assert len(found) > 100, "rows outside of the damage are there"
    store.close()
    again = Store(path)
    assert (again.damaged, again.waiting) == (None, len(found))
    again.close()


def test_another_database_is_refused_and_left_as_it_is(path):
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customer (name)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(PipelineError, match="is a database of something else"):
        Store(path)
    assert path.read_bytes() == before


def test_a_newer_one_is_refused(path):
    fill(path, 1)
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {VERSION + 1}")
    other.close()
    with pytest.raises(PipelineError, match="has version 2, and this Vedette knows 1"):
        Store(path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match="cannot be made"):
        Store(tmp_path / "file" / "box.db")
