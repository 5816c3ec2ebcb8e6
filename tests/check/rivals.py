"""A plugin whose decoders read YOLOX's output in other ways.

Two claim it as theirs: ``plain-boxes`` takes the boxes without decoding them, ``refusing`` cannot read it. ``touchy``
fails where there is nothing to find.
"""

import numpy as np

from vedette.errors import ResultError
from vedette.hookspecs import hookimpl
from vedette.results import Detections
from vedette.specs import PostprocessSpec, Proposal

IMAGE = {
    "colour": "bgr",
    "resize": "letterbox",
    "anchor": "top_left",
    "pad": 114,
    "kernel": "bilinear",
    "mean": 0,
    "scale": 1,
}


def claim(facts):
    shapes = [info.shape for info in facts.outputs.values()]
    if shapes == [(1, 3549, 85)]:
        yield Proposal(task="detection", image=IMAGE, why="one output of 85 columns")


def decode_plainly(outputs, affines, size_wh, params):
    (rows,) = next(iter(outputs.values()))
    confidence = (rows[:, 4:5] * rows[:, 5:]).max(axis=1)
    kept = confidence >= 0.4
    x, y, w, h = rows[kept, :4].T
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)
    return Detections.of(boxes, confidence[kept].clip(0, 1), rows[kept, 5:].argmax(axis=1))


def refuse(outputs, affines, size_wh, params):
    raise ResultError("these are not my columns")


def decode_if_any(outputs, affines, size_wh, params):
    found = decode_plainly(outputs, affines, size_wh, params)
    if not len(found):
        raise ResultError("nothing here is an object")
    return found


@hookimpl
def vedette_postprocessors():
    return [
        decoder("plain-boxes", decode_plainly, recognise=claim),
        decoder("refusing", refuse, recognise=claim),
        decoder("touchy", decode_if_any),
    ]


def decoder(name, decode, **rest):
    return PostprocessSpec(name=name, summary=name, result=Detections, build=lambda labels: decode, **rest)
