"""What is mutated: small bundles that are in order, as values that a random number generator can take apart."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from vedette.bundle.keys import SecretKey
from vedette.bundle.recording import Recording
from vedette.bundle.signature import make_signature
from vedette.results import Classification
from vedette.vision.spec import InputSpec

Json = Any

IMAGES = {("cnn", "pixels"): InputSpec(size_wh=(8, 6))}

LABELS = b"car\nperson\n"


def field(number: int, payload: bytes) -> bytes:
    """A short length-delimited field of a protobuf message."""
    assert number < 16
    assert len(payload) < 128
    return bytes([number << 3 | 2, len(payload)]) + payload


_ENTRIES = [
    field(13, field(1, key) + field(2, value)) for key, value in ((b"location", b"a.bi"), (b"offset", b"0"))
]
_TENSOR = b"\x08\x04\x10\x01" + field(8, b"w") + b"".join(_ENTRIES) + b"\x70\x01"
ONNX = b"\x08\x0a" + field(7, field(1, field(5, field(5, _TENSOR))) + field(5, _TENSOR))
"""One tensor in a node's attribute and one among the initializers, both in another file."""


def files() -> dict[str, bytes]:
    """The contents of a bundle, without its manifest."""
    return {
        "variants/f32/cnn.onnx": ONNX,
        "variants/f32/a.bi": bytes(16),
        "variants/f32/step.xml": b"<net/>",
        "variants/f32/step.bin": bytes(range(64)),
        "labels.txt": LABELS,
        "goldens/0.jpg": b"\xff\xd8\xff",
        "goldens/0.npz": b"",
        "t.png": b"\x89PNG",
    }


def manifest(contents: dict[str, bytes]) -> Json:
    """A manifest with one of everything in it."""
    image = {"size_wh": [8, 6], "resize": "stretch", "scale": [255.0, 255.0, 255.0]}
    return {
        "schema": 1,
        "name": "fuzz",
        "version": "1.2.0-rc.1",
        "task": "clip",
        "licence": "Apache-2.0",
        "graphs": {
            "cnn": {
                "inputs": {
                    "pixels": _input(
                        [None, 3, 6, 8], {"from": "preprocess", "name": "image", "params": image}
                    ),
                    "crop": _input([1, 2], {"from": "result", "stage": "faces", "field": "xyxy"}),
                    "like": _input(
                        [None, 4], {"from": "reference", "file": "t.png", "name": "other", "params": {}}
                    ),
                },
                "outputs": {"features": {"dtype": "float32", "shape": [None, 16]}},
            },
            "step": {
                "inputs": {
                    "x": _input([None, 16], {"from": "tensor", "graph": "cnn", "output": "features"}),
                    "h.in": _input([None, 8], {"from": "state"}),
                    "k": _input([None, 2, 2], {"from": "constant", "value": [[1, 2.5], [-3, 0]]}),
                },
                "outputs": {
                    "scores": {"dtype": "float32", "shape": [None, 2]},
                    "h.out": {"dtype": "float32", "shape": [None, 8]},
                },
                "state": [{"in": "h.in", "out": "h.out", "init": 0.5, "reset": ["gap"]}],
            },
        },
        "program": [{"run": "cnn"}, {"run": "step"}],
        "decoder": {"name": "classification", "params": {"top_k": 1}},
        "variants": {
            "f32": {
                "graphs": {
                    "cnn": {"format": "onnx", "files": ["variants/f32/cnn.onnx", "variants/f32/a.bi"]},
                    "step": {
                        "format": "openvino",
                        "files": ["variants/f32/step.xml", "variants/f32/step.bin"],
                        "storage": "int8",
                    },
                }
            }
        },
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in contents.items()
        },
        "labels": "labels.txt",
        "provenance": {"origin": "here", "data": ["d"], "recipe": "r", "commit": "c", "seeds": [1]},
        "temporal": {"rate_hz": 5, "tolerance": 0.5, "window": 8, "stride": 2, "max_gap_ms": 500},
        "grades": [
            {
                "variant": "f32",
                "precision": "f32",
                "metric": "top1",
                "value": 0.9,
                "n": 100,
                "backend": "openvino",
                "interval": [0.8, 0.95],
                "tolerance": 0.1,
            }
        ],
        "goldens": [{"image": "goldens/0.jpg", "tensors": "goldens/0.npz"}],
        "requires": [],
        "ext": {"vedette-rnn": {"a": [1, {"b": None}]}},
    }


def _input(shape: list[int | None], feed: Json) -> Json:
    return {"dtype": "float32", "shape": shape, "feed": feed}


def golden() -> bytes:
    """What the model answered to a picture."""
    recording = Recording(
        inputs={
            "cnn": {"pixels": np.zeros((1, 3, 6, 8), np.float32)},
            "step": {"h.in": np.zeros((1, 8), np.float32)},
        },
        outputs={"step": {"scores": np.zeros((1, 2), np.float32)}},
        affine=np.eye(2, 3),
        size_wh=(8, 6),
        result=Classification(
            class_id=np.array([[1]], np.int32),
            confidence=np.array([[0.5]], np.float32),
            source_row=np.array([0], np.int32),
        ),
    )
    return recording.to_npz(IMAGES)


def signature(raw: bytes) -> bytes:
    """The signature of a manifest by a key that everybody knows."""
    return make_signature(raw, SecretKey(bytes(32)))


def encode(tree: Json) -> bytes:
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")
