"""What model files tell of themselves, and files that are made to deceive or to exhaust the reader."""

import zipfile
from pathlib import Path

import onnx
import pytest

from vedette.bundle import metadata_ir, metadata_onnx, metadata_tflite
from vedette.bundle.facts import read_told
from vedette.bundle.foreign import find_model
from vedette.bundle.opened import open_model
from vedette.bundle.request import PackRequest
from vedette.errors import BundleError

MOBILENET = "mobilenet_v2_1.0_224_quant.tflite"


def refused(path, reason):
    with pytest.raises(BundleError, match=reason) as caught:
        read_told(find_model(path))
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


# --- ONNX ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_props(classifier):
    """A model with these ``metadata_props``."""

    def build(props) -> Path:
        path = classifier()
        model = onnx.load(path)
        model.metadata_props.extend(onnx.StringStringEntryProto(key=key, value=value) for key, value in props)
        onnx.save(model, path)
        return path

    return build


def test_metadata_props(with_props, registry):
    path = with_props([("task", "detect"), ("names", "{0: 'bücher bus'}"), ("empty", "")])
    with open_model(PackRequest(model=path), registry) as opened:
        assert opened.facts.format == "onnx"
        assert opened.facts.metadata == {"task": "detect", "names": "{0: 'bücher bus'}", "empty": ""}
        assert [*opened.facts.inputs, *opened.facts.outputs] == ["pixels", "scores"]


def test_no_metadata(classifier):
    assert read_told(find_model(classifier())) == ({}, ())


def test_more_metadata_than_a_description_can_be(with_props):
    refused(with_props([("a", "x" * (metadata_onnx.MOST_BYTES + 1))]), "4 MiB")


def test_too_many_entries(with_props):
    refused(
        with_props([(str(i), "") for i in range(metadata_onnx.MOST_ENTRIES + 1)]), "more than 1024 entries"
    )


@pytest.mark.parametrize("content", [b"", b"not onnx", b"\x0a\xff\xff\xff\xff\x0f"])
def test_no_onnx_file(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    refused(tmp_path / "x.onnx", "cannot be read as ONNX: ")


# --- OpenVINO IR --------------------------------------------------------------------------------------------------


def ir(tmp_path, xml) -> Path:
    (tmp_path / "x.xml").write_text(xml)
    (tmp_path / "x.bin").write_bytes(b"")
    return tmp_path / "x.xml"


def test_rt_info_as_openvino_writes_it(classifier, tmp_path):
    ov = pytest.importorskip("vedette_openvino.runtime", reason="needs vedette-openvino").ov
    model = ov.convert_model(classifier())
    model.set_rt_info("ssd", ["model_info", "model_type"])
    model.set_rt_info("cat dog", ["model_info", "labels"])
    ov.save_model(model, tmp_path / "net.xml", compress_to_fp16=False)
    metadata, labels = read_told(find_model(tmp_path / "net.xml"))
    assert metadata["model_info/model_type"] == "ssd"
    assert metadata["model_info/labels"] == "cat dog"
    assert labels == ()


def test_rt_info_of_layers_is_not_the_models(tmp_path):
    layer = "<layers><layer><rt_info><a value='1'/></rt_info></layer></layers>"
    path = ir(
        tmp_path, f"<net>{layer}<rt_info><b><c value='2'/></b><d>text</d></rt_info><meta value='3'/></net>"
    )
    assert read_told(find_model(path))[0] == {"b/c": "2"}


ENTITIES = '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">'
BILLION_LAUGHS = f'<!DOCTYPE net [{ENTITIES}]><net><rt_info><x value="&b;"/></rt_info></net>'
MANY = "".join(f"<a{i} value=''/>" for i in range(metadata_ir.MOST_ENTRIES + 1))


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("", "it is not XML"),
        ("<net><rt_info>", "it is not XML"),
        (BILLION_LAUGHS, "it declares a document type"),
        (
            f"<net><rt_info>{MANY}</rt_info></net>",
            "more than 4096 entries",
        ),
        (f"<net><rt_info><a value='{'x' * metadata_ir.MOST_CHARACTERS}'/></rt_info></net>", "characters"),
        (
            "<net><rt_info>" + "<a>" * 20 + "<b value='1'/>" + "</a>" * 20 + "</rt_info></net>",
            "16 levels",
        ),
    ],
)  # fmt: skip
def test_hostile_xml(tmp_path, xml, reason):
    refused(ir(tmp_path, xml), f"cannot be read as an OpenVINO IR: .*{reason}")


# --- TensorFlow Lite ----------------------------------------------------------------------------------------------


def test_a_tflite_file_tells_its_labels_and_quantisation(data):
    metadata, labels = read_told(find_model(data / "models" / MOBILENET))
    assert len(labels) == 1001
    assert (labels[0], labels[1]) == ("background", "tench, Tinca tinca")
    assert metadata == {
        "quantisation/input": "0.0078125 128",
        "normalisation/input": "127.5 127.5",
        "quantisation/MobilenetV2/Predictions/Softmax": "0.00390625 0",
    }


def test_a_tflite_file_without_associated_files(data):
    assert read_told(find_model(data / "models" / "movenet_lightning_ptq.tflite"))[1] == ()


@pytest.fixture
def with_files(data, tmp_path):
    """A TensorFlow Lite file with these associated files."""

    def build(files) -> Path:
        path = tmp_path / "x.tflite"
        path.write_bytes((data / "models" / "movenet_lightning_ptq.tflite").read_bytes())
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                archive.writestr(name, content)
        return path

    return build


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        ([("names.txt", "a\nb\n")], ("a", "b")),
        ([("vocab.txt", "x"), ("labels.txt", "a\nb")], ("a", "b")),
        ([("labels_en.txt", "a"), ("labels_de.txt", "b")], ()),
        ([("scores.bin", b"\0")], ()),
        ([("temp_meta.txt", "{'stride': 32}"), ("names.txt", "a\nb")], ("a", "b")),
        ([("temp_meta.txt", "{'stride': 32}")], ()),
    ],
)
def test_which_file_has_the_labels(with_files, files, labels):
    assert read_told(find_model(with_files(files)))[1] == labels


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([("labels.txt", "a" * (metadata_tflite.MOST_BYTES + 1))], "larger than 1 MiB"),
        ([(f"{i}.txt", "") for i in range(metadata_tflite.MOST_FILES + 1)], "more than 64 associated files"),
        ([("labels.txt", b"\xff\xfe")], "labels must be UTF-8"),
        ([("labels.txt", "a\n\nb")], "line 2 is not a label"),
    ],
)
def test_hostile_associated_files(with_files, files, reason):
    refused(with_files(files), f"cannot be read as TensorFlow Lite: .*{reason}")


@pytest.mark.parametrize("name", [MOBILENET, "keras_lstm_mnist_ptq.tflite"])
def test_every_cut_and_changed_flatbuffer_is_read_or_refused(data, tmp_path, name):
    """Four bytes anywhere in the tables are made an offset to nowhere, and the file is cut anywhere."""
    whole = (data / "models" / name).read_bytes()
    path, refusals = tmp_path / "x.tflite", 0
    tables = [*range(8, 1500, 4), *range(len(whole) - 12000, len(whole) - 4, 40)]
    changed = [whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4 :] for at in tables]
    for content in (*changed, *(whole[:size] for size in range(8, len(whole), len(whole) // 150))):
        path.write_bytes(content)
        try:
            metadata_tflite.read_metadata(path)
        except ValueError:
            refusals += 1
    assert refusals > 20


def test_a_file_of_another_format(tmp_path, classifier):
    path = classifier(name="x.tflite")
    refused(path, "it does not begin with the mark TFL3")
