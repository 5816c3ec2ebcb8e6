"""Raw outputs of Ultralytics' heads and of YOLOv5 that hold known boxes, written without a look at the decoders; as in
``encoded``, cells that hold no box have a confidence near 0 and nonsense everywhere else."""

import math

import numpy as np
from encoded import _nonsense

ANCHORS = 40


def raw(rows, input_wh, classes=3, extra=()):
    """``extra``: for each batch row and box of it, what stands behind the classes."""
    width = len(extra[0][0]) if extra else 0
    table = _nonsense((len(rows), 4 + classes + width, ANCHORS))
    table[:, 4 : 4 + classes] = np.abs(table[:, 4 : 4 + classes]) / 1e6
    for row, boxes in enumerate(rows):
        for i, box in enumerate(boxes):
            column = table[row, :, 3 + 7 * i]
            column[:4] = (*box.centre, *box.size)
            column[4 + box.class_id] = box.confidence
            column[4 + classes :] = extra[row][i] if extra else ()
    return {"output0": table}


def records(rows, input_wh, extra=()):
    """Nonsense behind the last box of a row, with a confidence of 0."""
    width = len(extra[0][0]) if extra else 0
    table = _nonsense((len(rows), 20, 6 + width))
    table[..., 4] = 0
    for row, boxes in enumerate(rows):
        for i, box in enumerate(boxes):
            table[row, i] = (*box.xyxy, box.confidence, box.class_id, *(extra[row][i] if extra else ()))
    return {"output0": table}


def pose(rows, input_wh, points=17):
    """Points in a row through the middle of the box, each a little surer than the last."""
    return raw(
        rows,
        input_wh,
        extra=[[_points(box, points) for box in boxes] or [(0,) * 3 * points] for boxes in rows],
    )


def obb(rows, input_wh, angle=0.0):
    return raw(rows, input_wh, extra=[[(angle,) for _ in boxes] or [(0,)] for boxes in rows])


def segment(rows, input_wh, prototypes=4):
    """The mask of box ``i`` is prototype ``i``: the left half, the upper half, everything, nothing."""
    w, h = input_wh[0] // 4, input_wh[1] // 4
    planes = np.full((prototypes, h, w), -8, np.float32)
    planes[0, :, : w // 2] = planes[1, : h // 2] = planes[2] = 8
    one = np.eye(prototypes)
    extra = [[one[i] for i in range(len(boxes))] or [one[0]] for boxes in rows]
    outputs = raw(rows, input_wh, extra=extra)
    return {**outputs, "output1": np.broadcast_to(planes, (len(rows), *planes.shape)).copy()}


def yolov5(rows, input_wh, classes=3):
    table = _nonsense((len(rows), ANCHORS, 5 + classes))
    table[..., 4:] = np.abs(table[..., 4:]) / 1e6
    for row, boxes in enumerate(rows):
        for i, box in enumerate(boxes):
            entry = table[row, 3 + 7 * i]
            entry[:4] = (*box.centre, *box.size)
            entry[4] = entry[5 + box.class_id] = math.sqrt(box.confidence)
    return {"output": table}


def _points(box, points):
    x0, _, x1, _ = box.xyxy
    return [
        value
        for i in range(points)
        for value in (x0 + (x1 - x0) * i / points, box.centre[1], (i + 1) / (points + 1))
    ]
