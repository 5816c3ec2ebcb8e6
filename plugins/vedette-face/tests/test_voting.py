"""A name that does not flicker, and does not stick either; people who come and leave."""

from vedette_face.presence import arrive, away, leave
from vedette_face.voting import Ballot, Look, Rules, forget, vote

RULES = Rules(window=9, min_votes=3, keep=2)


def named(text):
    """The name after each look: ``a`` and ``b`` are people, ``.`` is unknown."""
    ballot, said = Ballot(), ""
    for letter in text:
        vote(ballot, Look(None if letter == "." else letter, 0.5, 0.1), RULES)
        said += ballot.name or "."
    return said


def test_a_name_needs_votes():
    assert named("aa") == ".."
    assert named("aaa") == "..a"
    assert named("a.a.a") == "....a"
    assert named("abab") == "...."


def test_one_look_changes_nothing():
    assert named("aaabaaab.aaa") == "..aaaaaaaaaa"
    assert named("aaa......") == "..aaaaaaa"


def test_another_face_gets_its_name():
    said = named("aaaaaaaaa" + "b" * 9)
    assert said[9 + 3] == "a"
    assert said[-1] == "b"
    assert "." not in said[2:]


def test_a_stranger_loses_it():
    assert named("aaaaaaaaa" + "." * 9)[-1] == "."


def test_the_answer_is_that_of_looks_that_say_it():
    ballot = Ballot()
    for name, score in (("a", 0.6), ("a", 0.8), ("b", 0.9), ("a", 0.7)):
        vote(ballot, Look(name, score, score / 2), RULES)
    assert ballot.answer.name == "a"
    assert abs(ballot.answer.score - 0.7) < 1e-9
    assert abs(ballot.answer.margin - 0.35) < 1e-9
    assert Ballot().answer == Look(None, 0.0, 0.0)


def test_who_is_forgotten_is_not_named():
    ballot = Ballot()
    for _ in range(5):
        vote(ballot, Look("a", 0.9, 0.5), RULES)
    forget(ballot, {"a"})
    assert ballot.name == "a"
    forget(ballot, {"b"})
    assert ballot.name is None
    assert not ballot.looks


def test_a_visit_ends_when_they_were_last_seen():
    visits = {}
    (seen,) = arrive(visits, "Ana", 0.5, 7, 1_000, 50_000)
    assert (seen.kind, seen.subject, seen.t_start_ns) == ("person.seen", "person:Ana", 50_000)
    assert not list(arrive(visits, "Ana", 0.8, 7, 3_000, 52_000))
    assert not away(visits, 5_000, 2_000)
    assert away(visits, 5_001, 2_000) == ["Ana"]
    (left,) = leave(visits, ["Ana"])
    assert (left.t_start_ns, left.t_end_ns, left.data["score"]) == (50_000, 52_000, 0.8)
    assert not visits
