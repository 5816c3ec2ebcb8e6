"""Model files that name other files: no runtime gets one that leads out of its graph."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vedette import Model
from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.manifest import GraphFiles
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.protobuf import MalformedError
from vedette.bundle.references import _ENTRY, _PARTS, external_locations
from vedette.bundle.write import write_bundle
from vedette.errors import BundleError

CNN, SECRET = "variants/f32/cnn.onnx", "/etc/passwd"


def varint(value: int) -> bytes:
    return bytes(0x80 | value >> shift & 0x7F for shift in range(0, 28, 7)) + bytes([value >> 28])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def external(location: str, name: str = "w") -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("offset", "0"), ("location", location), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def model_of(graph: onnx.GraphProto, **parts) -> bytes:
    return helper.make_model(graph, ir_version=10, **parts).SerializeToString()


def graph_of(*nodes: onnx.NodeProto, **parts) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "g", [], [], **parts)


def sparse(location: str) -> onnx.SparseTensorProto:
    found = onnx.SparseTensorProto(dims=[9])
    found.values.CopyFrom(external(location))
    return found


def in_an_initializer(location):
    return model_of(graph_of(initializer=[external(location)]))


def in_a_sparse_initializer(location):
    return model_of(graph_of(sparse_initializer=[sparse(location)]))


def in_a_node(location):
    return model_of(graph_of(helper.make_node("Constant", [], ["y"], value=external(location))))


def in_a_list_of_tensors(location):
    return model_of(
        graph_of(helper.make_node("X", [], ["y"], domain="d", many=[external("w.bin"), external(location)]))
    )


def in_a_sparse_node(location):
    return model_of(graph_of(helper.make_node("Constant", [], ["y"], sparse_value=sparse(location))))


def in_a_branch(location):
    inner = graph_of(helper.make_node("Constant", [], ["y"], value=external(location)))
    branch = graph_of(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=graph_of()))
    return model_of(
        graph_of(helper.make_node("If", ["c"], ["y"], then_branch=graph_of(), else_branch=branch))
    )


def in_a_function(location):
    node = helper.make_node("Constant", [], ["y"], value=external(location))
    function = helper.make_function("d", "f", [], ["y"], [node], [helper.make_opsetid("", 17)])
    return model_of(graph_of(), functions=[function])


def in_training_information(location):
    model = onnx.load_from_string(model_of(graph_of()))
    model.training_info.add().initialization.initializer.append(external(location))
    return model.SerializeToString()


def in_the_second_half_of_a_graph(location):
    """Protobuf merges a message that comes twice."""
    return model_of(graph_of()) + in_an_initializer(location)


PLACES = [
    in_an_initializer,
    in_a_sparse_initializer,
    in_a_node,
    in_a_list_of_tensors,
    in_a_sparse_node,
    in_a_branch,
    in_a_function,
    in_training_information,
    in_the_second_half_of_a_graph,
]


def use(bundle: Bundle) -> object:
    return bundle.graph_files("f32", "cnn")


@pytest.fixture
def packed(tmp_path, manifest, contents):
    """A bundle whose image network is ``model``, in both forms."""

    def write(model: bytes):
        contents[CNN] = model
        return [write_bundle(tmp_path / name, manifest, contents) for name in ("x", "x.vedette")]

    return write


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_every_place_where_weights_may_be(packed, place, tmp_path):
    (tmp_path / "plain.onnx").write_bytes(place("../secret"))
    assert external_locations(tmp_path / "plain.onnx")[-1] == "../secret"
    for path in packed(place("../secret")):
        with open_bundle(path) as bundle, pytest.raises(BundleError, match="keeps weights in "):
            use(bundle)


@pytest.mark.parametrize(
    "location",
    [
        SECRET,
        "../../../etc/passwd",
        "../f32/step.bin",
        "step.bin",
        "weights.bin",
        "",
        ".",
        "cnn.onnx/../step.bin",
        "a\0b",
        "*/_ORT_MEM_ADDR_/*",
        "file:///etc/passwd",
        "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/x",
        "x" * 10_000,
    ],
)
def test_everything_that_is_not_a_file_of_this_graph(refused, packed, location):
    folder, _ = packed(in_an_initializer(location))
    refused(folder, r"'variants/f32/cnn\.onnx' keeps weights in ", use)


def test_a_file_of_this_graph_is_where_weights_belong(tmp_path, manifest, contents):
    contents |= {CNN: in_an_initializer("cnn.data"), "variants/f32/cnn.data": bytes(16)}
    manifest.variants["f32"].graphs["cnn"] = GraphFiles(format="onnx", files=(CNN, "variants/f32/cnn.data"))
    with open_bundle(write_bundle(tmp_path / "x.vedette", manifest, contents)) as bundle:
        assert [path.name for path in use(bundle).paths] == ["cnn.onnx", "cnn.data"]


def test_the_table_of_places_is_that_of_onnx():
    """Whoever adds a way to a tensor to ONNX adds it here."""
    found, waiting = {}, [onnx.ModelProto.DESCRIPTOR]
    while waiting:
        message = waiting.pop()
        if message.name not in found:
            inside = [
                field
                for field in message.fields
                if field.message_type and _leads_to_a_tensor(field.message_type)
            ]
            found[message.name] = {field.number: field.message_type.name for field in inside}
            waiting += [field.message_type for field in inside]
    assert found | {"TensorProto": {13: _ENTRY}} == _PARTS


def _leads_to_a_tensor(message, seen=()) -> bool:
    inner = [
        field.message_type for field in message.fields if field.message_type and message.name not in seen
    ]
    return message.name == "TensorProto" or any(
        _leads_to_a_tensor(kind, (*seen, message.name)) for kind in inner
    )


def test_field_numbers_that_another_reader_would_cut(tmp_path):
    """Readers that keep 32 bits of a tag would see field 7, the graph; no other could see why."""
    graph = graph_of(initializer=[external(SECRET)]).SerializeToString()
    (tmp_path / "plain.onnx").write_bytes(field(7, graph))
    assert external_locations(tmp_path / "plain.onnx") == [SECRET]
    (tmp_path / "x.onnx").write_bytes(field(7 + 2**29, graph))
    with pytest.raises(MalformedError, match="has the number"):
        external_locations(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x3a\xff\xff\xff\xff\x0flocation", "cut off"),
        (b"\x3blocation", "unknown type"),
        (b"location\x80", ""),
        (b"\x02\x08location", "has the number 0"),
        (b"\xff" * 20 + b"location", "too long"),
        (field(7, field(5, field(13, b"location" * 9000))), "an entry of 72,000 bytes"),
    ],
)
def test_damaged_model_files(refused, packed, raw, reason):
    folder, _ = packed(raw)
    refused(folder, f"'variants/f32/cnn.onnx' is not an ONNX file: .*{reason}", use)


@pytest.mark.parametrize(("name", "model_format"), [("x.tflite", "tflite"), ("x.onnx", "tflite")])
def test_another_format_than_it_says(refused, tmp_path, manifest, contents, name, model_format):
    """OpenVINO reads ONNX from a file of any name."""
    contents[f"variants/f32/{name}"] = in_an_initializer(SECRET)
    manifest.variants["f32"].graphs["cnn"] = GraphFiles(format=model_format, files=(f"variants/f32/{name}",))
    path = write_bundle(tmp_path / "x", manifest, contents)
    refused(path, f"'variants/f32/{name}' is not a file of the format {model_format}", use)


def test_onnx_in_an_ir(refused, tmp_path, manifest, contents):
    contents["variants/f32/step.xml"] = in_an_initializer(SECRET)
    path = write_bundle(tmp_path / "x", manifest, contents)
    reason = r"'variants/f32/step\.xml' is not a file of the format openvino"
    refused(path, reason, lambda bundle: bundle.graph_files("f32", "step"))


def test_an_ir_may_speak_of_a_location(tmp_path, manifest, contents):
    contents["variants/f32/step.xml"] = b'<net name="location"/>'
    with open_bundle(write_bundle(tmp_path / "x.vedette", manifest, contents)) as bundle:
        assert bundle.graph_files("f32", "step").model.read_bytes() == contents["variants/f32/step.xml"]


def test_nested_too_deep(refused, packed):
    raw = b"location"
    for _ in range(60):
        raw = field(1, field(5, field(6, raw)))
    folder, _ = packed(field(7, raw))
    refused(folder, "nested more than 100 deep", use)


def test_an_entry_for_a_plugin_that_is_not_here(classifier, registry, tmp_path):
    """Nobody would answer for what it says; to look at it needs no plugin."""
    request = PackRequest(
        model=classifier(),
        task="classification",
        decoder="classification",
        params={"activation": "none"},
        licence="MIT",
        image={"colour": "rgb", "resize": "stretch", "kernel": "area", "mean": [0], "scale": [255]},
    )
    path = pack_model(request, tmp_path / "x", registry=registry)
    tree = json.loads((path / "manifest.json").read_bytes())
    tree["ext"] = {"somebody-else": {"run": "this"}}
    (path / "manifest.json").write_text(json.dumps(tree))
    with open_bundle(path) as bundle:
        assert bundle.manifest.ext == tree["ext"]
    reason = rf'^{path}: `\$\.ext\["somebody-else"\]`: no plugin of somebody-else is here to check it'
    with pytest.raises(BundleError, match=reason):
        Model(path, registry=registry)


@pytest.mark.parametrize(
    "files", [["variants/f32/step.xml"], ["variants/f32/step.bin", "variants/f32/step.xml"]]
)
def test_openvino_without_weights(refused, folder, files):
    folder.edit(lambda tree: tree["variants"]["f32"]["graphs"]["step"].update(files=files))
    refused(
        folder.path, r"an \.xml and its \.bin, in this order - at `\$\.variants\.f32\.graphs\.step\.files`"
    )
