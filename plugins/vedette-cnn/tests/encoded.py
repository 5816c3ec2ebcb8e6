"""Raw outputs that hold known boxes: the formats' arithmetic turned around, written without a look at the decoders.

Every function takes one list of boxes per batch row, in pixels of the input tensor, and returns outputs by name. Cells
that hold no box have a confidence near 0 and nonsense everywhere else, as real networks do.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    xyxy: tuple[float, float, float, float]
    confidence: float = 0.9
    class_id: int = 0
    points: tuple[tuple[float, float], ...] = ()

    @property
    def centre(self):
        x0, y0, x1, y1 = self.xyxy
        return (x0 + x1) / 2, (y0 + y1) / 2

    @property
    def size(self):
        x0, y0, x1, y1 = self.xyxy
        return x1 - x0, y1 - y0


def yolox(rows, input_wh, strides=(8, 16, 32), classes=3):
    """Each box goes to the stride numbered by its class, so that all strides are used."""
    counts = [(input_wh[0] // s) * (input_wh[1] // s) for s in strides]
    head = _nonsense((len(rows), sum(counts), 5 + classes))
    head[..., 4:] = np.abs(head[..., 4:]) / 1e6
    for row, boxes in enumerate(rows):
        for box in boxes:
            level = box.class_id % len(strides)
            stride = strides[level]
            column, line = (int(c // stride) for c in box.centre)
            anchor = sum(counts[:level]) + line * (input_wh[0] // stride) + column
            cell = head[row, anchor]
            cell[0] = box.centre[0] / stride - column
            cell[1] = box.centre[1] / stride - line
            cell[2] = math.log(box.size[0] / stride)
            cell[3] = math.log(box.size[1] / stride)
            cell[4] = cell[5 + box.class_id] = math.sqrt(box.confidence)
    return {"output": head}


def fastestdet(rows, input_wh, classes=3, stride=16):
    w, h = input_wh[0] // stride, input_wh[1] // stride
    head = _nonsense((len(rows), 5 + classes, h, w))
    head[:, 0] = np.abs(head[:, 0]) / 1e6
    head[:, 5:] = np.abs(head[:, 5:]) / 1e6
    for row, boxes in enumerate(rows):
        for box in boxes:
            column, line = (int(c // stride) for c in box.centre)
            cell = head[row, :, line, column]
            cell[1] = math.atanh(box.centre[0] / stride - column)
            cell[2] = math.atanh(box.centre[1] / stride - line)
            cell[3] = _logit(box.size[0] / input_wh[0])
            cell[4] = _logit(box.size[1] / input_wh[1])
            cell[0] = cell[5 + box.class_id] = box.confidence  # c**0.6 * c**0.4 = c
    return {"758": head}


def ssd(rows, input_wh, first_class=0, places=20):
    """A list in the order of the rows, ended by image number -1; nonsense after the end."""
    table = _nonsense((1, 1, places, 7))
    entries = [(row, box) for row, boxes in enumerate(rows) for box in boxes]
    for place, (row, box) in enumerate(entries):
        corners = np.array(box.xyxy) / (*input_wh, *input_wh)
        table[0, 0, place] = (row, box.class_id + first_class, box.confidence, *corners)
    table[0, 0, len(entries)] = (-1, 0, 1, 0, 0, 1, 1)
    return {"detection_out": table}


def ultraface(rows, input_wh, anchors=30):
    scores = np.zeros((len(rows), anchors, 2), np.float32)
    scores[..., 0], scores[..., 1] = 0.99, 0.01
    boxes = _nonsense((len(rows), anchors, 4))
    for row, faces in enumerate(rows):
        for i, face in enumerate(faces):
            anchor = 3 + 5 * i
            scores[row, anchor] = 1 - face.confidence, face.confidence
            boxes[row, anchor] = np.array(face.xyxy) / (*input_wh, *input_wh)
    return {"scores": scores, "boxes": boxes}


def yunet(rows, input_wh, strides=(8, 16, 32)):
    """Box ``i`` of a row goes to stride ``i``, so that all strides are used."""
    outputs = {}
    for stride in strides:
        cells = (input_wh[0] // stride) * (input_wh[1] // stride)
        for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs[f"{kind}_{stride}"] = _nonsense((len(rows), cells, width))
        for kind in ("cls", "obj"):
            outputs[f"{kind}_{stride}"] = np.abs(outputs[f"{kind}_{stride}"]) / 1e6
    for row, faces in enumerate(rows):
        for i, face in enumerate(faces):
            stride = strides[i % len(strides)]
            column, line = (int(c // stride) for c in face.centre)
            cell = line * (input_wh[0] // stride) + column
            outputs[f"cls_{stride}"][row, cell] = outputs[f"obj_{stride}"][row, cell] = face.confidence
            (cx, cy), (w, h) = face.centre, face.size
            outputs[f"bbox_{stride}"][row, cell] = (
                cx / stride - column,
                cy / stride - line,
                math.log(w / stride),
                math.log(h / stride),
            )
            points = face.points or ((cx, cy),) * 5
            offsets = [(x / stride - column, y / stride - line) for x, y in points]
            outputs[f"kps_{stride}"][row, cell] = np.ravel(offsets)
    return outputs


def _logit(p):
    return math.log(p / (1 - p))


def _nonsense(shape):
    return np.random.default_rng(7).normal(0, 1e3, shape).astype(np.float32)
