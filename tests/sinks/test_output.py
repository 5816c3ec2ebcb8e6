import re

import pytest

from vedette.errors import PipelineError
from vedette.sinks.output import OutputPath, make_parent, refuse_existing


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        ("gate", "gate"),
        ("yard/2", "yard_2"),
        ("a b:c", "a_b_c"),
        ("../../etc", "_.._etc"),
        ("..", "_"),
        ("Tür-1", "Tür-1"),
    ],
)
def test_a_stream_cannot_choose_another_folder(tmp_path, stream, name):
    path = OutputPath(str(tmp_path / "{stream}.jsonl")).of(stream)
    assert path == tmp_path / f"{name}.jsonl"


def test_start_is_the_same_for_all_streams_of_a_run():
    output = OutputPath("{start}/{stream}")
    assert output.of("a").parent == output.of("b").parent
    assert re.fullmatch(r"\d{8}T\d{6}Z", str(output.of("a").parent))


def test_per_stream():
    assert OutputPath("{stream}.mp4").per_stream
    assert not OutputPath("{start}.mp4").per_stream
    assert str(OutputPath("{{stream}}.mp4").of("a")) == "{stream}.mp4"


@pytest.mark.parametrize("template", ["", "{camera}.mp4", "{0}.mp4", "{}.mp4", "{stream", "a}b"])
def test_bad_templates(template):
    with pytest.raises(PipelineError, match="is not a path to write to"):
        OutputPath(template)


def test_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(OutputPath("~/out.jsonl").of("")) == "/somewhere/out.jsonl"


def test_parent_is_created(tmp_path):
    make_parent(tmp_path / "a" / "b" / "c.jsonl")
    assert (tmp_path / "a" / "b").is_dir()


def test_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="its folder cannot be created"):
        make_parent(tmp_path / "file" / "out.jsonl")


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(PipelineError, match="it is a folder"):
        make_parent(tmp_path)


def test_existing(tmp_path):
    refuse_existing(tmp_path / "new", "mode")
    (tmp_path / "old").touch()
    with pytest.raises(PipelineError, match="exists already"):
        refuse_existing(tmp_path / "old", "mode")
