"""What a bundle says to people: its card and its report, as they get in, and as they are read."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vedette.bundle.bundle import open_bundle
from vedette.bundle.documents import CARD, REPORT, Documents, add_documents
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.write import write_bundle
from vedette.cli import main
from vedette.errors import BundleError

IMAGE = {"colour": "rgb", "resize": "stretch", "kernel": "bilinear", "mean": [127.5], "scale": [58]}
WORDS = "# Tiny\n\nTells three things apart. Größe: 1 µm.\n"


@pytest.fixture
def card(tmp_path) -> Path:
    path = tmp_path / "words.md"
    path.write_text(WORDS, encoding="utf-8")
    return path


@pytest.fixture
def report(tmp_path) -> Path:
    path = tmp_path / "page.html"
    path.write_text("<!DOCTYPE html>\n<html></html>\n")
    return path


def inspected(*arguments, code=0) -> str:
    done = CliRunner().invoke(main, ["inspect", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


def test_they_are_packed_and_can_be_read(classifier, card, report, tmp_path):
    options = ["--task", "classification", "--decoder", "classification", "--param", "activation=none"]
    options += ["--licence", "MIT", "--colour", "rgb", "--resize", "stretch", "--kernel", "bilinear"]
    options += ["--mean", "127.5", "--scale", "58", "--card", card, "--report", report]
    out = tmp_path / "tiny.vedette"
    done = CliRunner().invoke(main, ["pack", *map(str, [classifier(), *options, "--output", out])])
    assert done.exit_code == 0, done.output
    assert "for people  card.md, report.html; --card prints it" in done.output
    with open_bundle(out) as bundle:
        assert bundle.read(CARD) == card.read_bytes()
        assert bundle.read(REPORT) == report.read_bytes()
    assert inspected(out, "--card") == WORDS


def test_a_bundle_without_says_so(folder, manifest, contents, tmp_path):
    bare = write_bundle(
        tmp_path / "bare", manifest, {name: data for name, data in contents.items() if name != CARD}
    )
    assert "for people" not in inspected(bare)
    said = inspected(bare, "--card", code=1)
    assert "there is no card.md in it" in said
    assert "vedette pack --card FILE" in said
    assert "not both" in inspected(folder.path, "--card", "--json", code=2)


def test_a_card_cannot_command_a_terminal(manifest, contents, tmp_path):
    hostile = write_bundle(tmp_path / "hostile", manifest, contents | {CARD: b"a\x1b[2J\xff\r\nb\n"})
    said = inspected(hostile, "--card")
    assert said.splitlines() == ["a\ufffd[2J\ufffd", "b"]


@pytest.mark.parametrize("name", ["out", "out.vedette"])
def test_they_come_into_a_copy(folder, card, report, tmp_path, name):
    with open_bundle(folder.path) as bundle:
        add_documents(bundle, tmp_path / name, Documents(card=card, report=report))
        before = {file: bundle.read(file) for file in bundle.manifest.files}
        with open_bundle(tmp_path / name) as made:
            made.check_files()
            assert made.digest != bundle.digest
            assert {file: made.read(file) for file in made.manifest.files} == before | {
                CARD: card.read_bytes(),
                REPORT: report.read_bytes(),
            }
            assert made.manifest.grades == bundle.manifest.grades
        with pytest.raises(BundleError, match="exists"):
            add_documents(bundle, tmp_path / name, Documents(card=card))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"", "is empty"), (b" \n", "is empty"), (b"a\xff", "is not UTF-8")],
)
def test_what_cannot_be_a_card_is_refused_before_the_model_runs(classifier, tmp_path, content, message):
    path = tmp_path / "bad.md"
    if content is not None:
        path.write_bytes(content)
    request = PackRequest(
        model=classifier(),
        task="classification",
        decoder="classification",
        params={"activation": "none"},
        licence="MIT",
        image=IMAGE,
        documents=Documents(card=path),
    )
    with pytest.raises(BundleError, match=message) as caught:
        pack_model(request, tmp_path / "out")
    assert str(path) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_one_that_is_too_large_is_refused(folder, card, tmp_path, monkeypatch):
    monkeypatch.setattr("vedette.bundle.documents.LARGEST", 10)
    with open_bundle(folder.path) as bundle, pytest.raises(BundleError, match="is larger than"):
        add_documents(bundle, tmp_path / "out", Documents(card=card))
    assert not (tmp_path / "out").exists()
