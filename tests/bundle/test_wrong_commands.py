"""Wrong ``vedette pack`` command lines on real models: one message each, which names what to correct, and nothing left
behind."""

import shlex

import pytest
from click.testing import CliRunner

from vedette.cli import main

NANO = "yolox_nano_coco_416.onnx"
MOBILENET = "mobilenet_v2_1.0_224_fq.onnx --resize crop --crop-fraction 0.875 --kernel bilinear --colour rgb"
QUANTISED = "mobilenet_v2_1.0_224_quant.tflite --resize crop --crop-fraction 0.875 --kernel bilinear"

WRONG = [
    # the model
    ("missing.onnx", "missing.onnx: there is no such file"),
    ("coco80.names", "coco80.names: not a model file that can be packed", ".onnx, .xml, .tflite, .keras"),
    (".", "a folder without a SavedModel (saved_model.pb) in it", "give one of its files, as face-detection"),
    ("face-detection-retail-0005.bin", "the weights of an OpenVINO IR; give its .xml"),
    ("best.pt", "best.pt: not a model file that can be packed; and there is no such file"),
    (f"{NANO} --beside missing.data", "missing.data: there is no such file", "correct --beside"),
    # what it is for
    (f"{NANO} --task segmentation", "'--task': 'segmentation' is not one of 'classification', 'detection'"),
    (f"{NANO} --decoder yolo", "--decoder: there is no postprocessor 'yolo'; did you mean 'yolox'?"),
    (f"{NANO} --decoder classification", "--param activation=VALUE", "could be read by yolox"),
    (f"{NANO} --task classification", "--decoder NAME", "could be read by yolox", "--task detection"),
    ("osnet_x0_25_msmt17.onnx", "--task classification --decoder classification", "decoders could read it"),
    (f"{NANO} --param strides=8,16", "decoder yolox.strides", "correct --param KEY=VALUE"),
    (f"{NANO} --param strides=[8,16]", "3380 anchors belong to input_wh", "--param"),
    (f"{NANO} --param threshold=0.3", "unknown field `threshold`", "correct --param", "confidence_threshold"),
    (f"{NANO} --param confidence_threshold=3", "decoder yolox.confidence_threshold", "correct --param"),
    (f"{NANO} --param output=images", "there is no output 'images'", "--param", "the outputs are: 'output'"),
    (f"{NANO} --param strides", "'strides' is not of the form KEY=VALUE"),
    (f"{MOBILENET} --mean 127.5 --scale 127.5 --param activation=relu", "activation", "correct --param"),
    (f"{QUANTISED} --param scale=-1", "decoder classification.scale", "correct --param"),
    # class names
    (f"{NANO} --labels missing.txt", "missing.txt: cannot be read", "correct --labels"),
    (f"{NANO} --labels yolox_nano_coco_416.onnx", "labels must be UTF-8", "--labels: a text file"),
    (
        f"{NANO} --labels imagenet_labels_1001.txt",
        "the model has 80 classes, but the bundle has 1001",
        "--labels",
    ),
    (
        f"{QUANTISED} --labels imagenet_labels_1001.txt",
        "take the first 1 of the labels away",
        "--labels",
        "first_class",
    ),
    # the picture
    (f"{NANO} --input-size 640x640", "is 416 x 416 pixels, not 640 x 640", "leave --input-size out"),
    (f"{NANO} --input-size 640", "'640' is not WIDTHxHEIGHT"),
    ("yunet_n_dynamic.onnx", "--input-size WIDTHxHEIGHT"),
    ("yunet_n_dynamic.onnx --input-size 300x300", "input_wh 300 x 300 is not a multiple of stride 8"),
    (f"{NANO} --color rgb", "No such option '--color'", "'--colour'"),
    (f"{NANO} --colour gray", "does not have the channels of --colour gray"),
    (f"{NANO} --layout nhwc", "has 416 channels in layout nhwc", "correct --layout"),
    (f"{NANO} --mean 0.485,0.456,0.406", "--scale VALUES"),
    (f"{NANO} --mean 0.485,0.456,0.406 --scale 0.229,0.224,0.225", "0..255 here", "--mean 123.675,116.28,"),
    (f"{NANO} --mean 1,2 --scale 1", "mean has 2 values but colour 'bgr' has 3 channels", "correct --colour or --mean"),
    (f"{NANO} --pad 300", "image.pad[0]: Expected `int` <= 255", "correct --pad"),
    (f"{NANO} --kernel bicubic", "'--kernel': 'bicubic' is not one of"),
    (f"{NANO} --resize crop", "--crop-fraction FRACTION"),
    (f"{NANO} --crop-fraction 0.9", "crop_fraction goes with resize 'crop'", "correct --resize or --crop-fraction"),
    (f"{QUANTISED} --mean 127.5 --scale 127.5", "dtype uint8 goes with mean 0", "correct --mean or --scale"),
    (MOBILENET, "--mean VALUES", "--scale VALUES"),
    # tensors
    (f"{NANO} --feed image=image", "there is no input 'image'", "correct --feed", "images float32"),
    (f"{NANO} --feed images=camera", "'camera' is none of image, preprocess:NAME, reference:FILE and constant:VALUE"),
    (f"{NANO} --feed images=constant:0", "--param input_wh=VALUE", "which no input takes now (--feed"),
    (f"{NANO} --state images=scores", "there is no output 'scores'", "correct --state"),
    (f"{NANO} --rows boxes", "there is no output 'boxes'", "--rows"),
    # how it is recorded
    (f"{NANO} --sample missing.jpg", "missing.jpg: cannot be read", "correct --sample"),
    (f"{NANO} --sample coco80.names", "coco80.names: not a picture", "as samples"),
    (f"{NANO} --backend tensorrt", "--backend: there is no backend 'tensorrt'", "onnxruntime, openvino"),
    (f"{QUANTISED} --backend onnxruntime", "does not read tflite files", "leave --backend out"),
    (f"{NANO} --oracle literal --backend openvino", "leave --backend out, or use another --oracle"),
    (f"{NANO} --oracle fp32-relative", "--oracle fp32-relative --reference FLOAT_MODEL"),
    (
        f"{NANO} --oracle fp32-relative --reference fastestdet_coco_352.onnx",
        "its inputs are not those of the model",
        "--reference",
    ),
    (f"{NANO} --tolerance -1", "'--tolerance': '-1'"),
    (f"{NANO} --storage int4", "'--storage': 'int4' is not one of"),
    # the bundle
    (f"{NANO} --name 'My Model'", "`$.name`", "--name is of a-z, 0-9"),
    (f"{NANO} --version one", "`$.version`", "--version is of three numbers"),
    (f"{NANO} --output coco80.names", "coco80.names: exists", "--output names another place"),
    # what no backend can open
    ("keras_lstm_mnist_ptq.tflite", "no backend can open it", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
    ("keras_lstm_mnist_ptq.tflite --backend openvino", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
    ("keras_lstm_mnist_ptq.tflite --backend onnxruntime", "does not read tflite files"),
]  # fmt: skip


def pack(data, tmp_path, monkeypatch, line):
    """Run in the folder of the models; write into one that is empty."""
    target = tmp_path / "made"
    target.mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(data / "models")
    output = [] if "--output" in line else ["--output", str(target / "x.vedette")]
    return CliRunner().invoke(main, ["pack", *shlex.split(line), *output])


@pytest.mark.parametrize(
    ("line", "reasons"), [(line, reasons) for line, *reasons in WRONG], ids=[line for line, *_ in WRONG]
)
def test_one_message_that_names_the_option(data, tmp_path, monkeypatch, line, reasons):
    done = pack(data, tmp_path, monkeypatch, line if "--licence" in line else f"{line} --licence MIT")
    assert done.exit_code != 0, done.output
    assert isinstance(done.exception, SystemExit), "anything else is a traceback"
    for reason in reasons:
        assert reason in done.stderr
    assert done.stderr.lower().count("error: ") == 1
    assert not list((tmp_path / "made").iterdir()), "nothing is written"
    assert not list((tmp_path / "tmp").iterdir()), "nothing is left behind"


def test_without_any_option_only_what_nobody_can_know_is_asked(data, tmp_path, monkeypatch):
    done = pack(data, tmp_path, monkeypatch, NANO)
    assert done.exit_code == 1
    assert done.stderr.count("--") == 1
    assert "--licence TEXT" in done.stderr
    assert "--decoder yolox" in done.stdout
