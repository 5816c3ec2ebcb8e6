"""Graphs made ready: stripped, folded, and their decoding told from their layers."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_onnx import Builder, classifier, detector, run

from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.onnx_graph import (
    decode_nodes,
    features_of,
    float_activations,
    is_recurrent,
    layers_of,
    load_float,
    prepare,
)
from vedette_torch.quantise.pairs import strip_quantisation
from vedette_torch.quantise.qdq import calibrate

IMAGE = {"image": np.random.default_rng(1).normal(0, 1, (1, 3, 16, 16)).astype(np.float32)}


def kinds(model, names):
    return sorted(node.op_type for node in model.graph.node if node.name in names)


def test_batch_norm_is_folded_and_nothing_else_changes():
    given = classifier()
    ready = prepare(given)
    assert "BatchNormalization" not in {node.op_type for node in ready.graph.node}
    np.testing.assert_allclose(run(ready, IMAGE)[0], run(given, IMAGE)[0], atol=1e-6)
    names = [node.name for node in ready.graph.node]
    assert len(set(names)) == len(names)


def test_an_old_opset_is_raised_and_constants_among_the_inputs_are_folded():
    net = Builder(opset=11)
    made = net.model(net.relu(net.conv("image", 4)), ir_version=3)
    made.graph.input.extend(
        helper.make_tensor_value_info(item.name, TensorProto.FLOAT, item.dims)
        for item in made.graph.initializer
    )
    ready = prepare(made)
    assert ready.opset_import[0].version >= 13
    assert [item.name for item in ready.graph.input] == ["image"]


def test_what_cannot_be_read_is_named():
    net = Builder()
    made = net.model(net.node("Relu", "image"))
    made.graph.node[0].op_type = "Frobnicate"
    with pytest.raises(QuantiseError, match="Frobnicate"):
        prepare(made)


def test_pairs_on_activations_are_stripped_to_the_very_float_model():
    float_model = prepare(classifier())
    quantised = onnx.ModelProto()
    quantised.CopyFrom(float_model)
    output = quantised.graph.output[0].name
    _pair_behind(quantised, quantised.graph.node[0].output[0])
    _pair_behind(quantised, output)
    stripped = strip_quantisation(quantised)
    assert [item.name for item in stripped.graph.output] == [f"{output}_back"]
    np.testing.assert_array_equal(run(stripped, IMAGE)[0], run(float_model, IMAGE)[0])


def _pair_behind(model, name):
    graph = model.graph
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.float32(0.5), f"{name}_scale"),
            numpy_helper.from_array(np.uint8(3), f"{name}_zero"),
        ]
    )
    for node in graph.node:
        for index, given in enumerate(node.input):
            node.input[index] = f"{name}_back" if given == name else given
    for item in graph.output:
        item.name = f"{name}_back" if item.name == name else item.name
    position = next(index for index, node in enumerate(graph.node) if name in node.output) + 1
    parameters = [f"{name}_scale", f"{name}_zero"]
    graph.node.insert(position, helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_stored"]))
    graph.node.insert(
        position + 1, helper.make_node("DequantizeLinear", [f"{name}_stored", *parameters], [f"{name}_back"])
    )


def test_stored_integers_become_the_floats_that_they_stand_for():
    float_model = prepare(classifier())
    stripped = strip_quantisation(calibrate(float_model, [IMAGE]).quantise())
    assert not {"QuantizeLinear", "DequantizeLinear"} & {node.op_type for node in stripped.graph.node}
    np.testing.assert_allclose(run(stripped, IMAGE)[0], run(float_model, IMAGE)[0], atol=0.005)


def test_a_quantised_file_is_refused(tmp_path):
    onnx.save(calibrate(prepare(classifier()), [IMAGE]).quantise(), tmp_path / "int8.onnx")
    with pytest.raises(QuantiseError, match="quantised already"):
        load_float(tmp_path / "int8.onnx")


def test_the_decoding_of_a_detector_is_told_from_its_layers():
    ready = prepare(detector())
    assert kinds(ready, decode_nodes(ready)) == ["Concat", "Exp", "Sigmoid"]
    assert kinds(ready, layers_of(ready)) == ["Conv"] * 5
    last = {node.output[0] for node in ready.graph.node if node.op_type == "Conv"} & set(features_of(ready))
    assert len(last) == 2


def test_an_activation_of_the_last_layer_belongs_to_it():
    net = Builder()
    ready = prepare(net.model(net.relu(net.conv("image", 4))))
    assert decode_nodes(ready) == set()


def test_an_expectation_over_bins_is_no_layer():
    net = Builder()
    bins = net.node("Softmax", net.conv("image", 8), axis=1)
    steps = net.constant(np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1))
    ready = prepare(net.model(net.node("Conv", bins, steps, kernel_shape=[1, 1])))
    assert kinds(ready, decode_nodes(ready)) == ["Conv", "Softmax"]
    assert len(layers_of(ready)) == 1


def test_silu_and_what_it_reads_stay_in_float():
    ready = prepare(detector())
    nodes, tensors = float_activations(ready)
    assert kinds(ready, nodes) == ["Mul", "Sigmoid"]
    assert len(tensors) == 1
    assert not nodes & decode_nodes(ready)


def test_recurrent_graphs_are_known():
    net = Builder()
    assert not is_recurrent(net.model(net.conv("image", 4)))
    net.nodes.append(helper.make_node("GRU", ["a", "b", "c"], ["d"], hidden_size=1))
    graph = helper.make_graph(net.nodes, "g", [], [])
    assert is_recurrent(helper.make_model(graph))


def test_the_decoding_of_detectors_of_others(data):
    heads = {
        "yolox_nano_coco_416": {"Sigmoid": 6, "Concat": 4, "Reshape": 3, "Transpose": 1},
        "fastestdet_coco_352": {"Sigmoid": 1, "Softmax": 1, "Concat": 1},
        "yunet_n_320": {"Sigmoid": 6, "Reshape": 12, "Transpose": 12},
    }
    for name, expected in heads.items():
        ready = prepare(load_float(data / "models" / f"{name}.onnx"))
        found = kinds(ready, decode_nodes(ready))
        assert {kind: found.count(kind) for kind in found} == expected, name
    ready = prepare(load_float(data / "models/ultraface_rfb_320.onnx"))
    assert {"Exp", "Softmax", "Slice"} <= set(kinds(ready, decode_nodes(ready)))


def test_the_quantisation_that_mobilenet_carries_is_stripped(data):
    carried = onnx.load(data / "models/mobilenet_v2_1.0_224_fq.onnx")
    stripped = strip_quantisation(carried)
    assert [item.name for item in stripped.graph.output] == [item.name for item in carried.graph.output]
    assert not {"QuantizeLinear", "DequantizeLinear"} & {node.op_type for node in stripped.graph.node}
