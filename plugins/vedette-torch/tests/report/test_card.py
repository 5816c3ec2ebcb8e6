"""The card: the author's words and what was measured; and how it comes into a bundle."""

import json

import pytest

from vedette.bundle.bundle import open_bundle
from vedette.errors import ConfigError
from vedette_torch.card.text import CardText, read_card_text


def test_the_card_has_words_and_figures_and_goes_into_a_bundle(measured, command, card_text, tmp_path):
    out, sealed, page = tmp_path / "card.md", tmp_path / "with.vedette", tmp_path / "report.html"
    command("report", measured.run, "--out", page)
    sources = [measured.run, measured.bundle, measured.evaluation, measured.int8]
    into = ["--into", measured.bundle, "--report", page, "-o", sealed]
    said = command("card", *sources, "--text", card_text, "--out", out, *into)
    assert f"wrote {sealed}" in said
    card = out.read_text()
    accuracy = json.loads(measured.evaluation.read_text())["evaluation"]["figures"]["accuracy"]
    for expected in (
        "Tell dark from light & striped.",
        "- Only <12 pixels>.",
        "- No \\| pipes.",
        "- Licence of the data: CC0-1.0",
        "- Licence of the weights: Apache-2.0",
        f"| {accuracy['value']:.3f} (",
        f"| {accuracy['n']} |",
        "| openvino | top1 | 0.9300 | 0.9260 | +0.40 (-0.10 to +0.90) | 400 | 1.75 |",
        "- Recipe: tiny, 3 epochs, seed 0",
        "A. Author, 2026",
        "- Commit: not stated",
    ):
        assert expected in card
    with open_bundle(sealed) as bundle:
        assert bundle.read("card.md").decode() == card
        assert bundle.read("report.html") == page.read_bytes()
    assert command("inspect", sealed, "--card") == card


def test_what_was_not_measured_is_said(measured, command, card_text, tmp_path):
    command("card", measured.bundle, "--text", card_text, "--out", tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert card.count("Not measured (`vedette ") == 2


def test_options_that_belong_together(measured, command, card_text):
    said = command("card", measured.bundle, "--text", card_text, "--into", measured.bundle, code=2)
    assert "go together" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "intended_use, limits, data_licence missing or empty"),
        ('intended_use = "x"\nlimits = []\ndata_licence = "MIT"\n', "limits missing or empty"),
        ('intended_use = "x"\nlimits = "all"\ndata_licence = "MIT"\n', r"\$\.limits"),
        ('intended_use = "x"\nlimits = ["y"]\ndata_licence = "MIT"\nlimit = 1\n', "limit"),
        ("= 1", "no TOML"),
    ],
)
def test_wrong_words_are_named(tmp_path, text, message):
    path = tmp_path / "card.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_card_text(path)
    assert str(path) in str(caught.value)


def test_the_example_that_errors_show_is_right(tmp_path):
    from vedette_torch.card.text import EXAMPLE

    path = tmp_path / "card.toml"
    path.write_text(EXAMPLE)
    assert isinstance(read_card_text(path), CardText)
