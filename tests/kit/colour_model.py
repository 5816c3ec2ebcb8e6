"""Makes the bundle that ``vedette new-plugin --kind model`` starts from: ``python tests/kit/colour_model.py``.

It tells which of red, green and blue a picture shows most of: the mean of each channel, through a softmax.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from vedette.bundle.pack import PackRequest, pack_model
from vedette.scaffold.write import TEMPLATES

NAME = "placeholder"
COLOURS = ("red", "green", "blue", "orange", "teal", "purple", "#345678", "#405030")
PLACE = TEMPLATES / "model" / "src" / "@package@" / "bundle"


def network() -> onnx.ModelProto:
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "dominant-colour",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(6 * np.eye(3, dtype=np.float32), "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def make(place: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model, labels = Path(folder) / "colour.onnx", Path(folder) / "labels.txt"
        model.write_bytes(network().SerializeToString())
        labels.write_text("red\ngreen\nblue\n")
        samples = []
        for number, colour in enumerate(COLOURS):
            samples.append(Path(folder) / f"{number}.png")
            Image.new("RGB", (24, 18), colour).save(samples[-1])
        request = PackRequest(
            model=model,
            task="classification",
            decoder="classification",
            params={"activation": "softmax", "top_k": 1},
            licence="Apache-2.0",
            name=NAME,
            labels=labels,
            image={"resize": "stretch", "kernel": "bilinear", "colour": "rgb", "mean": [0], "scale": [255]},
            samples=samples,
            backend="onnxruntime",
        )
        pack_model(request, place, overwrite=True)


def as_template(place: Path) -> None:
    """The name of the bundle becomes that of the plugin. Nothing holds a hash of the manifest."""
    manifest = place / "manifest.json"
    text = manifest.read_text()
    assert text.count(NAME) == 1
    (place / "manifest.json.tmpl").write_text(text.replace(NAME, "@name@"))
    manifest.unlink()


if __name__ == "__main__":
    (PLACE / "manifest.json.tmpl").unlink(missing_ok=True)
    for path in sorted(PLACE.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if PLACE.exists():
        PLACE.rmdir()
    make(PLACE)
    as_template(PLACE)
