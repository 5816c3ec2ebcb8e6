"""``vedette outbox``, and what the summary says in words."""

from click.testing import CliRunner

from vedette.cli import main
from vedette.cli.report import _outbox
from vedette.outbox.store import Store


def fill(path):
    store = Store(path)
    store.add([("a", b"1"), ("b", b"22"), ("c", b"333")])
    store.settle([], [(store.first(1, 100)[0], "the server says 422")])
    store.close()


def run(*arguments):
    return CliRunner().invoke(main, ["outbox", *map(str, arguments)])


def test_it_says_what_waits_and_what_was_refused_and_can_have_it_tried_again(tmp_path):
    path = tmp_path / "box.db"
    fill(path)
    shown = run(path)
    assert shown.exit_code == 0
    assert "2 events wait" in shown.output
    assert "a  the server says 422" in shown.output
    assert "1 refused events wait again" in run(path, "--retry").output
    assert "3 events wait" in run(path).output


def test_it_makes_no_outbox_where_there_is_none(tmp_path):
    assert run(tmp_path / "box.db").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_it_does_not_disturb_one_in_use(tmp_path):
    path = tmp_path / "box.db"
    fill(path)
    store = Store(path)
    assert run(path).exit_code == 1
    store.close()


def test_a_summary_in_words():
    status = {"waiting": 3, "trouble": "no route", "refused": 1, "refused_last": "422", "dropped": 0}
    assert list(_outbox("mqtt", status)) == [
        "note: sink 'mqtt': 3 events wait to be delivered: no route",
        "error: sink 'mqtt': 1 events were refused, the last: 422",
    ]
    assert list(_outbox("jsonl", {})) == []
