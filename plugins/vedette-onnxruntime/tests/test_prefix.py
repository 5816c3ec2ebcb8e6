"""Preprocessing in the graph against preprocessing in front of it."""

from contextlib import suppress

import graphs
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.bundle.protobuf import MalformedError, read_fields
from vedette.inference import infer
from vedette.specs import TensorInfo
from vedette.vision.spec import InputSpec
from vedette_onnxruntime.graph import read_model
from vedette_onnxruntime.prefix import find_obstacle, rewrite, select
from vedette_onnxruntime.protobuf import write_bytes, write_int

IMAGENET = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}


def tensor_of(pixels, spec):
    """The tensor half of ``spec`` in numpy: ``uint8 (n, h, w, c)`` to ``float32 (n, c, h, w)``."""
    values = (pixels.astype(np.float64) - spec.mean) / spec.scale
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)).astype(np.float32)


def worst(expected, given):
    """The largest difference, relative to the range of the expected values."""
    return max(float(np.abs(given[name] - array).max() / np.ptp(array)) for name, array in expected.items())


@pytest.mark.parametrize(
    ("name", "size_wh", "normalise"),
    [
        ("mobilenet_v1_0.25_128_fq.onnx", (128, 128), {"mean": (127.5,) * 3, "scale": (127.5,) * 3}),
        ("mobilenet_v2_1.0_224_fq.onnx", (224, 224), {"mean": (127.5,) * 3, "scale": (127.5,) * 3}),
        ("yolox_nano_coco_416.onnx", (416, 416), {}),
        ("ultraface_rfb_320.onnx", (320, 240), {"mean": (127,) * 3, "scale": (128,) * 3}),
        ("mobilefacenet_112.onnx", (112, 112), {"mean": (127.5,) * 3, "scale": (128,) * 3}),
        ("osnet_x0_25_msmt17.onnx", (128, 256), IMAGENET),
        ("yunet_n_dynamic.onnx", (96, 64), {}),
    ],
)
def test_real_networks_give_the_same_answer(data, open_file, name, size_wh, normalise):
    path = data / "models" / name
    spec = InputSpec(size_wh=size_wh, **normalise)
    plain = open_file(path)
    ((image, given),) = plain.inputs.items()
    assert given.dtype == "float32"
    fused = open_file(path, fuse={image: spec})
    w, h = size_wh
    assert fused.inputs == {image: TensorInfo(name=image, dtype="uint8", shape=(1, h, w, 3))}

    pixels = np.random.default_rng(0).integers(0, 256, (1, h, w, 3), np.uint8)
    expected = infer(plain, {image: tensor_of(pixels, spec)})
    outputs = infer(fused, {image: pixels})
    # with activations rounded to 8 bits, a value at the edge of a step may fall to the other side
    assert worst(expected, outputs) <= (1e-2 if "_fq" in name else 2e-6)
    assert {key: array.shape for key, array in outputs.items()} == {k: a.shape for k, a in expected.items()}


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_normalisation_gives_the_tensor_itself(data):
    """A graph that returns its input shows what the prefix computes."""
    import onnxruntime

    channels, h, w = (
        data.draw(st.sampled_from((1, 3))),
        data.draw(st.integers(1, 9)),
        data.draw(st.integers(1, 9)),
    )
    of_channels = {"min_size": channels, "max_size": channels}
    spec = InputSpec(
        size_wh=(w, h),
        colour="rgb" if channels == 3 else "gray",
        mean=data.draw(st.lists(st.floats(-300, 300, width=32), **of_channels).map(tuple)),
        scale=data.draw(st.lists(st.floats(1 / 64, 300, width=32), **of_channels).map(tuple)),
    )
    shape = (1, channels, h, w)
    identity = graphs.model(
        [graphs.node("Identity", ["image"], ["y"])],
        [graphs.tensor("image", shape)],
        [graphs.tensor("y", shape)],
    )
    model = read_model(memoryview(identity.SerializeToString()))
    fused = rewrite(model, select(model, {"image": spec}))
    onnx.checker.check_model(onnx.load_from_string(fused), full_check=True)
    session = onnxruntime.InferenceSession(fused, providers=["CPUExecutionProvider"])
    pixels = data.draw(st.binary(min_size=h * w * channels, max_size=h * w * channels))
    pixels = np.frombuffer(pixels, np.uint8).reshape(1, h, w, channels)
    (tensor,) = session.run(None, {session.get_inputs()[0].name: pixels})
    expected = tensor_of(pixels, spec)
    largest = np.maximum(255, np.abs(spec.mean)) / np.abs(spec.scale)  # of what was added up
    assert (np.abs(tensor - expected) <= 3e-7 * largest.max()).all()


@pytest.mark.parametrize("opset", [7, 8, 9, 11, 13, 14, 15, 17])
def test_every_opset_that_can(open_graph, opset):
    spec = InputSpec(size_wh=(7, 5), **IMAGENET)
    made = graphs.convolution("n", opset=opset)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    expected = infer(open_graph(made, batch=2), {"image": tensor_of(pixels, spec)})
    fused = open_graph(made, batch=2, fuse={"image": spec})
    assert fused.inputs["image"].shape == (None, 5, 7, 3)
    assert worst(expected, infer(fused, {"image": pixels})) <= 1e-6


def test_two_images_and_another_input_keep_their_order(open_graph):
    shape = (1, 1, 2, 2)
    names = ["left", "shift", "right"]
    made = graphs.model(
        [
            graphs.node("Sub", ["left", "right"], ["difference"]),
            graphs.node("Add", ["difference", "shift"], ["y"]),
        ],
        [graphs.tensor(name, shape) for name in names],
        [graphs.tensor("y", shape)],
    )
    left = InputSpec(size_wh=(2, 2), colour="gray", mean=(10,), scale=(2,))
    right = InputSpec(size_wh=(2, 2), colour="gray")
    session = open_graph(made, fuse={"left": left, "right": right})
    assert list(session.inputs) == names
    assert [info.dtype for info in session.inputs.values()] == ["uint8", "float32", "uint8"]
    y = infer(
        session,
        {
            "left": np.full((1, 2, 2, 1), 30, np.uint8),
            "shift": np.full(shape, 100, np.float32),
            "right": np.full((1, 2, 2, 1), 3, np.uint8),
        },
    )["y"]
    np.testing.assert_allclose(y, np.full(shape, (30 - 10) / 2 - 3 + 100))


@pytest.mark.parametrize(
    ("graph", "spec", "reason"),
    [
        ({}, {"size_wh": (8, 5)}, "rows of (3, 5, 8)"),
        ({}, {"colour": "gray"}, "rows of (1, 5, 7)"),
        ({}, {"layout": "nhwc"}, "channels-first float32"),
        ({}, {"dtype": "uint8"}, "channels-first float32"),
        ({"element": graphs.FLOAT16}, {}, "channels-first float32"),
        ({"opset": 6}, {}, "opset 6"),
    ],
)
def test_an_input_that_does_not_gain_or_fit_stays_and_the_log_says_why(
    open_graph, caplog, graph, spec, reason
):
    caplog.set_level("INFO", "vedette.onnxruntime")
    made = graphs.convolution(**graph)
    plain = open_graph(made)
    session = open_graph(made, fuse={"image": InputSpec(**{"size_wh": (7, 5)} | spec)})
    assert session.inputs == plain.inputs
    assert reason in caplog.text


def test_a_file_that_is_too_large_is_left_alone(open_graph, monkeypatch, caplog):
    caplog.set_level("INFO", "vedette.onnxruntime")
    monkeypatch.setattr("vedette_onnxruntime.prefix.LARGEST_FILE", 100)
    session = open_graph(graphs.convolution(), fuse={"image": InputSpec(size_wh=(7, 5))})
    assert session.inputs["image"].dtype == "float32"
    assert "100 is the limit" in caplog.text


def test_weights_in_a_file_of_their_own_are_left_alone(tmp_path, open_file):
    path = tmp_path / "model.onnx"
    onnx.save(
        graphs.convolution(), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    session = open_file(path, fuse={"image": InputSpec(size_wh=(7, 5))})
    assert session.inputs["image"].dtype == "float32"
    assert infer(session, {"image": np.zeros((1, 3, 5, 7), np.float32)})["y"].shape == (1, 4, 5, 7)


def test_the_old_file_is_all_in_the_new_one():
    """Nothing of the file but the input is touched: metadata, functions, custom domains."""
    made = graphs.convolution("n")
    made.metadata_props.add(key="author", value="Zoë")
    made.opset_import.append(onnx.helper.make_opsetid("acme", 3))
    made.graph.doc_string = "a picture"
    model = read_model(memoryview(made.SerializeToString()))
    spec = InputSpec(size_wh=(7, 5), **IMAGENET)
    assert find_obstacle(model, model.inputs[0], spec) is None
    fused = onnx.load_from_string(rewrite(model, {"image": spec}))
    assert [node.op_type for node in fused.graph.node] == ["Transpose", "Cast", "BatchNormalization", "Conv"]
    del fused.graph.node[:3]
    del fused.graph.initializer[:4]
    fused.graph.input[0].CopyFrom(made.graph.input[0])
    assert fused == made


# --- the wire format ----------------------------------------------------------------------------------------------


def test_inputs_are_read_as_the_file_has_them():
    made = graphs.model(
        [graphs.node("Add", ["x", "w"], ["y"])],
        [graphs.tensor("x", ("n", None, 3)), graphs.tensor("w", (3,))],  # a weight listed among the inputs
        [graphs.tensor("y", ("n", None, 3))],
        {"w": np.zeros(3, np.float32)},
    )
    model = read_model(memoryview(made.SerializeToString()))
    assert [(given.name, given.element, given.dims) for given in model.inputs] == [("x", 1, ("n", None, 3))]
    assert (model.opset, model.external) == (17, False)


@given(st.integers(1, 2**29 - 1), st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=300)))
def test_a_field_is_read_as_it_was_written(number, value):
    raw = write_int(number, value) if isinstance(value, int) else write_bytes(number, value)
    ((found, read, whole),) = read_fields(memoryview(raw))
    assert (found, read if isinstance(value, int) else bytes(read), bytes(whole)) == (number, value, raw)


@given(st.data())
def test_a_message_that_is_cut_off_is_noticed(data):
    raw = graphs.double().SerializeToString()
    ends = {
        len(b"".join(bytes(whole) for _, _, whole in list(read_fields(memoryview(raw)))[:count]))
        for count in range(20)
    }
    cut = data.draw(st.integers(0, len(raw) - 1).filter(lambda at: at not in ends))
    with pytest.raises(MalformedError):
        list(read_fields(memoryview(raw[:cut])))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw):
    with suppress(MalformedError):
        read_model(memoryview(raw))
