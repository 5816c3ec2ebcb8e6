"""The report: whole, well-formed, self-contained, and with nothing in it that was not measured."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.registry import load_plugins
from vedette_torch.report.facts import Facts
from vedette_torch.report.page import render
from vedette_torch.report.sources import read_sources

SECTIONS = ["summary", "card", "accuracy", "mistakes", "int8", "parity", "learning", "provenance"]


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


def parse(page: str) -> ET.Element:
    """Well-formed XML, which a browser reads as HTML in the same way."""
    assert page.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(page)


def text(element: ET.Element | None) -> str:
    assert element is not None
    return " ".join(" ".join(element.itertext()).split())


def section(page: ET.Element, name: str) -> str:
    return text(page.find(f".//section[@id='{name}']"))


def test_everything_that_was_measured_is_in_it(measured, command, card_text, tmp_path):
    out = tmp_path / "report.html"
    sources = [measured.run, measured.bundle, measured.evaluation, measured.int8]
    said = command("report", *sources, "--card", card_text, "--data", measured.pictures, "--out", out)
    assert said.startswith(f"wrote {out}")
    page = parse(out.read_text())
    assert [one.get("id") for one in page.findall(".//main/section")] == SECTIONS
    plain = json.loads(measured.evaluation.read_text())
    accuracy = plain["evaluation"]["figures"]["accuracy"]
    shown = section(page, "accuracy")
    assert (
        f"{accuracy['value']:.3f} ({accuracy['interval'][0]:.3f} to {accuracy['interval'][1]:.3f})" in shown
    )
    assert f"n = {accuracy['n']}" in shown
    for one in plain["evaluation"]["figures"]["per_class"]:
        assert one["label"] in shown
        assert f"{one['f1']['value']:.3f}" in shown
    int8 = section(page, "int8")
    for expected in (
        "+0.40 (-0.10 to +0.90)",
        "1.75",
        "0.61 slower",
        "worst difference 0.3",
        "head/Gemm",
        "0.40 MB",
    ):
        assert expected in int8
    assert "Parity passed" in section(page, "parity")
    learning = page.find(".//section[@id='learning']")
    assert len(learning.findall(".//{http://www.w3.org/2000/svg}svg")) == 4
    provenance = section(page, "provenance")
    assert "sha256" in provenance
    assert "tiny" in provenance
    assert "Tell dark from light & striped." in section(page, "card")
    assert "Only <12 pixels>." in section(page, "card")
    images = page.findall(".//img")
    mistakes = page.findall(".//section[@id='mistakes']//figure")
    assert len(images) == 2 * len(mistakes), "each picture, and where the network looked"
    assert "not measured" not in text(page)


def test_what_quantize_prints_is_understood(measured, command, tmp_path, registry):
    path = tmp_path / "int8.json"
    asked = ["--calibration", measured.pictures / "train", "--data", measured.pictures, "--rounds", "1"]
    allowed = ["--max-drop", "100", "--proof", "warn"]
    path.write_text(command("quantize", measured.bundle, *asked, *allowed, "-o", tmp_path / "q", "--json"))
    plain = json.loads(path.read_text())
    shown = section(parse(render(read_sources([str(path)], registry))), "int8")
    for backend, one in plain["backends"].items():
        assert backend in shown
        assert f"{one['int8']['value']:.4f}" in shown
        assert f"{one['speed']['ratio']:.2f}" in shown
    assert plain["method"] in shown


def test_nothing_comes_from_outside(measured, command, tmp_path):
    out = tmp_path / "report.html"
    command("report", measured.run, measured.bundle, "--data", measured.pictures, "--out", out)
    page = out.read_text()
    assert "<script" not in page
    assert "@import" not in page
    assert "url(" not in page
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_without_pictures_there_is_none(measured, command, tmp_path):
    out = tmp_path / "report.html"
    command("report", measured.run, "--data", measured.pictures, "--no-pictures", "--out", out)
    assert "<img" not in out.read_text()
    assert "data:" not in out.read_text()


def test_what_is_missing_is_said_with_its_command():
    page = parse(render(Facts()))
    for name, command in {
        "accuracy": "vedette evaluate",
        "mistakes": "vedette report MODEL … --data",
        "int8": "vedette quantize",
        "parity": "--against",
        "learning": "vedette train",
    }.items():
        shown = section(page, name)
        assert "not measured" in shown
        assert command in shown
        digits = re.sub("(?i)int8", "", shown)
        assert not re.search(r"\d", digits), "there is no figure where nothing was measured"
    assert "not stated" in section(page, "card")


def test_an_unfinished_run_is_shown(tiny, measured, tmp_path, registry):
    run = tmp_path / "begun"
    run.mkdir()
    (run / "run.json").write_bytes((measured.run / "run.json").read_bytes())
    facts = read_sources([str(run)], registry)
    assert "Learning curves: not measured" in section(parse(render(facts)), "learning")
    lines = (measured.run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text("\n".join(lines[:2]) + "\n")  # one epoch
    facts = read_sources([str(run)], registry)
    assert "All 1 epochs" in section(parse(render(facts)), "learning")


def test_labels_cannot_break_the_page(measured, registry):
    plain = measured.evaluation.read_text().replace("striped", '<b>\\u0000&\\"</b>')
    path = measured.evaluation.with_name("hostile.json")
    path.write_text(plain)
    page = parse(render(read_sources([str(path)], registry)))
    assert '<b>\N{REPLACEMENT CHARACTER}&"</b>' in section(page, "accuracy")


def test_tables_and_charts_can_be_heard(measured, registry):
    sources = [str(path) for path in (measured.run, measured.evaluation, measured.int8)]
    page = parse(render(read_sources(sources, registry)))
    for table in page.findall(".//table"):
        assert table.findtext("caption")
        assert all(cell.get("scope") == "col" for cell in table.findall("./thead/tr/th"))
        assert all(row.find("th").get("scope") == "row" for row in table.findall("./tbody/tr"))
    for svg in page.iter("{http://www.w3.org/2000/svg}svg"):
        assert svg.get("role") == "img"
        assert svg.findtext("{http://www.w3.org/2000/svg}title")
        assert svg.findtext("{http://www.w3.org/2000/svg}desc")


def test_the_worst_drop_and_a_failed_parity_lead(measured, registry):
    facts = read_sources([str(measured.evaluation), str(measured.int8)], registry)
    failed = replace(facts.parities[0], problems=("top1 differs by -5.00 points, more than 0.3",))
    page = parse(render(replace(facts, parities=[failed])))
    assert "int8, worst drop +0.50 points" in section(page, "summary")
    assert "train/serve parity failed" in section(page, "summary")
    assert "failed: top1 differs by -5.00 points" in section(page, "parity")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1", "no JSON"),
        ("[1]", "not an object"),
        ("{}", "neither of evaluate nor of quantize"),
        ('{"evaluation": {"task": "poetry"}}', "an evaluation of 'poetry'"),
        ('{"evaluation": {"task": "classification"}}', "an evaluation without 'subject'"),
        ('{"metric": "top1", "backends": {}, "bytes": {"f32": "many"}}', "bytes|method"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, registry, content, message):
    path = tmp_path / "figures.json"
    path.write_text(content)
    with pytest.raises(VedetteError, match=message) as caught:
        read_sources([str(path)], registry)
    assert str(path) in str(caught.value)


def test_a_report_is_of_one_model(measured, registry, command):
    with pytest.raises(VedetteError, match="are two runs"):
        read_sources([str(measured.run)] * 2, registry)
    with pytest.raises(VedetteError, match="are two bundles"):
        read_sources([str(measured.bundle)] * 2, registry)
    with pytest.raises(VedetteError, match="there is no such bundle"):
        read_sources(["no-such-thing"], registry)
    said = command("report", measured.int8, "--data", measured.pictures, code=1)
    assert "no run or bundle that could be measured" in said


def test_a_page_that_cannot_be_written_leaves_the_old_one(measured, command, tmp_path):
    said = command("report", measured.int8, "--out", tmp_path / "no" / "folder.html", code=1)
    assert "folder.html: cannot be written: No such file or directory" in said
    command("report", measured.int8, "--out", tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_picture_that_is_gone_is_named(measured, registry):
    from vedette_torch.report.mistakes import Mistake

    facts = Facts(mistakes=[Mistake(path=measured.run / "gone.png", says="a taken for b", badness=1)])
    with pytest.raises(VedetteError, match=r"gone\.png"):
        render(facts, pictures=image_decoder(registry))
