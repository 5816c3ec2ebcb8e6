"""Raw outputs that hold known boxes, as in :mod:`encoded`, for the heads that came later."""

import math

import numpy as np

REG_MAX = 7
NOTHING = -30.0


def gfl(rows, input_wh, strides=(8, 16, 32, 64), classes=3, cell_offset=0.0):
    """NanoDet-Plus: one output, scores and distributions side by side."""
    scores, boxes = _distributions(rows, input_wh, strides, classes, cell_offset)
    return {"output": np.concatenate([np.concatenate(scores, 1), np.concatenate(boxes, 1)], axis=2)}


def picodet(rows, input_wh, strides=(8, 16, 32, 64), classes=3):
    """PicoDet: scores of every stride, then distributions of every stride."""
    scores, boxes = _distributions(rows, input_wh, strides, classes, 0.5)
    maps = [*scores, *boxes]
    return {f"transpose_{i}.tmp_0": maps[i] for i in range(len(maps))}


def distribution(distance):
    """Logits whose softmax has the mean ``distance``: the two whole numbers beside it, weighted."""
    low = min(int(distance), REG_MAX - 1)
    part = distance - low
    logits = np.full(REG_MAX + 1, NOTHING, np.float32)
    logits[low], logits[low + 1] = (math.log(p) if p > 1e-9 else NOTHING for p in (1 - part, part))
    return logits


def boxes_labels(rows, input_wh, places=12):
    """OTX: boxes with the score in the fifth column, filled up with unsure ones."""
    table = _nonsense((len(rows), places, 5))
    table[..., 4] = 0.01
    labels = np.zeros((len(rows), places), np.int64)
    for row, boxes in enumerate(rows):
        for place, box in enumerate(boxes):
            table[row, 2 * place] = (*box.xyxy, box.confidence)
            labels[row, 2 * place] = box.class_id
    return {"boxes": table, "labels": labels}


def multiclass_nms(rows, input_wh):
    """PaddleDetection: one list over all images, each with one unsure box at the end, and a count per image."""
    unsure = [(0, 0.01, 1, 2, 30, 40)]
    listed = [[(box.class_id, box.confidence, *box.xyxy) for box in boxes] + unsure for boxes in rows]
    table = np.array([entry for entries in listed for entry in entries], np.float32).reshape(-1, 6)
    return {"boxes": table, "counts": np.array([len(entries) for entries in listed], np.int32)}


def detr(rows, input_wh, queries=12, classes=3, no_object=False):
    """Each box at its own query; the others say nothing, for sure."""
    logits = np.full((len(rows), queries, classes + no_object), -8.0, np.float32)
    boxes = np.random.default_rng(3).uniform(0.1, 0.9, (len(rows), queries, 4)).astype(np.float32)
    if no_object:
        logits[..., -1] = 12
    for row, given in enumerate(rows):
        for i, box in enumerate(given):
            query = 3 * i + 1
            odds = math.log(box.confidence / (1 - box.confidence))
            if no_object:
                logits[row, query] = NOTHING
                logits[row, query, -1] = 0
            logits[row, query, box.class_id] = odds
            boxes[row, query] = np.array([*box.centre, *box.size]) / (*input_wh, *input_wh)
    return {"pred_logits": logits, "pred_boxes": boxes}


def _distributions(rows, input_wh, strides, classes, offset):
    """Scores and distributions per stride."""
    cells = [(math.ceil(input_wh[0] / s), math.ceil(input_wh[1] / s)) for s in strides]
    scores = [np.abs(_nonsense((len(rows), w * h, classes))) / 1e6 for w, h in cells]
    boxes = [_nonsense((len(rows), w * h, 4 * (REG_MAX + 1))) for w, h in cells]
    for row, given in enumerate(rows):
        for box in given:
            level, cell, sides = _place(box, cells, strides, offset)
            boxes[level][row, cell] = np.concatenate([distribution(side) for side in sides])
            scores[level][row, cell, box.class_id] = box.confidence
    return scores, boxes


def _place(box, cells, strides, offset):
    """Stride, cell and distances in cells, of those strides that reach its sides the one that its class says."""
    fits = []
    for level, stride in enumerate(strides):
        column, line = (int(c // stride) for c in box.centre)
        x, y = (column + offset) * stride, (line + offset) * stride
        x0, y0, x1, y1 = box.xyxy
        sides = [side / stride for side in (x - x0, y - y0, x1 - x, y1 - y)]
        if min(sides) >= 0 and max(sides) <= REG_MAX:
            fits.append((level, line * cells[level][0] + column, sides))
    return fits[box.class_id % len(fits)]


def _nonsense(shape):
    return np.random.default_rng(7).normal(0, 1e3, shape).astype(np.float32)
