"""The int8 files: what is rounded and what is not, in both runtimes."""

import numpy as np
import pytest
from onnx import numpy_helper
from tiny_onnx import Builder, classifier, detector, run

from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.onnx_graph import prepare
from vedette_torch.quantise.qdq import calibrate
from vedette_torch.quantise.sensitivity import rank

RANDOM = np.random.default_rng(2)
FEEDS = [{"image": RANDOM.normal(0, 1, (1, 3, 16, 16)).astype(np.float32)} for _ in range(6)]


def constants_of(model):
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def readers(model, kind):
    return [node for node in model.graph.node if node.op_type == kind]


def makers(model):
    return {name: node for node in model.graph.node for name in node.output}


def test_weights_are_int8_per_channel_and_activations_uint8():
    made = calibrate(prepare(classifier()), FEEDS).quantise()
    stored, made_by = constants_of(made), makers(made)
    for layer in readers(made, "Conv"):
        weights = made_by[layer.input[1]]
        assert stored[weights.input[0]].dtype == np.int8
        assert stored[weights.input[1]].shape == (8,)
        assert stored[made_by[layer.input[0]].input[2]].dtype == np.uint8
    assert not readers(made, "Relu")  # an unsigned range cuts off what is negative


def test_the_file_says_the_same_in_both_runtimes(tmp_path):
    core = pytest.importorskip("vedette_openvino.runtime", reason="needs vedette-openvino").core
    float_model = prepare(classifier())
    made = calibrate(float_model, FEEDS).quantise()
    compiled = core.compile_model(
        core.read_model(made.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    for feed in FEEDS:
        expected, got = run(float_model, feed)[0], run(made, feed)[0]
        np.testing.assert_allclose(got, expected, atol=0.03)
        np.testing.assert_allclose(compiled(feed)[0], got, atol=0.01)


def test_the_decoding_is_not_rounded():
    made = calibrate(prepare(detector()), FEEDS).quantise()
    made_by = makers(made)
    (concat,) = readers(made, "Concat")
    assert {made_by[name].op_type for name in concat.input} == {"Exp", "Sigmoid"}
    assert concat.output[0] == made.graph.output[0].name


def test_silu_reads_what_the_layer_computed():
    made = calibrate(prepare(detector()), FEEDS).quantise()
    made_by = makers(made)
    (product,) = readers(made, "Mul")
    assert made_by[product.input[0]].op_type == "Conv"
    assert {
        made_by[made_by[name].input[0]].op_type for name in product.input if made_by[name].op_type != "Conv"
    } == {"Conv"}


def test_a_layer_that_is_kept_has_float_weights_and_the_others_do_not():
    calibrated = calibrate(prepare(classifier()), FEEDS)
    kept = calibrated.layers[1]
    made = calibrated.quantise([kept])
    stored = constants_of(made)
    floats = [layer.name for layer in readers(made, "Conv") if layer.input[1] in stored]
    assert floats == [kept]


def test_a_percentile_cuts_off_what_is_rare():
    feeds = [{"image": feed["image"].copy()} for feed in FEEDS] * 20
    feeds[0]["image"][0, 0, 0, 0] = 1000
    ready = prepare(classifier())
    ends = [
        calibrate(ready, feeds, ranges).ranges["image"].range_value[1] for ranges in ("minmax", "percentile")
    ]
    assert float(np.max(ends[0])) == 1000
    assert float(np.max(ends[1])) < 1000


def test_the_layer_with_wild_channels_is_the_most_sensitive():
    calibrated = calibrate(prepare(classifier(wild=3000)), FEEDS)
    ranking = rank(calibrated, FEEDS[:3])
    assert len(ranking) == len(calibrated.layers) == 4
    assert {ranking[0].layer, ranking[1].layer} == set(calibrated.layers[2:])
    assert ranking[0].error > 10 * ranking[-1].error


def test_nothing_to_calibrate_by():
    with pytest.raises(QuantiseError, match="no picture to calibrate by"):
        calibrate(prepare(classifier()), [])


def test_pictures_of_a_wrong_shape_are_named():
    with pytest.raises(QuantiseError, match=r"(?s)calibration failed.*image"):
        calibrate(prepare(classifier()), [{"image": np.zeros((1, 3, 8, 16), np.float32)}])


def test_a_graph_without_layers_is_refused():
    net = Builder()
    with pytest.raises(QuantiseError, match="no layer with weights"):
        calibrate(prepare(net.model(net.node("Relu", "image"))), FEEDS)
