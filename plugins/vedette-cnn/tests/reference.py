"""Detection decoded box by box in plain Python, every cell of it: slow, short, and independent of the decoders."""

import math


def decode_yolox(head, input_wh, strides, confidence_threshold, iou_threshold, class_agnostic):
    """One row ``(anchors, 5 + classes)``: ``[(xyxy, confidence, class_id)]``, most confident first."""
    found, anchor = [], 0
    for stride in strides:
        for line in range(input_wh[1] // stride):
            for column in range(input_wh[0] // stride):
                x, y, w, h, objectness, *classes = head[anchor].tolist()
                class_id = max(range(len(classes)), key=classes.__getitem__)
                cx, cy = (x + column) * stride, (y + line) * stride
                w, h = math.exp(w) * stride, math.exp(h) * stride
                box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
                found.append((box, objectness * classes[class_id], class_id))
                anchor += 1
    return _suppress(found, confidence_threshold, iou_threshold, class_agnostic)


def decode_fastestdet(head, input_wh, confidence_threshold, iou_threshold, class_agnostic):
    """One row ``(5 + classes, lines, columns)``, likewise."""
    found = []
    lines, columns = head.shape[1:]
    for line in range(lines):
        for column in range(columns):
            objectness, x, y, w, h, *classes = head[:, line, column].tolist()
            class_id = max(range(len(classes)), key=classes.__getitem__)
            cx = (column + math.tanh(x)) / columns * input_wh[0]
            cy = (line + math.tanh(y)) / lines * input_wh[1]
            w, h = (size / (1 + math.exp(-value)) for size, value in zip(input_wh, (w, h), strict=True))
            box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
            found.append((box, objectness**0.6 * classes[class_id] ** 0.4, class_id))
    return _suppress(found, confidence_threshold, iou_threshold, class_agnostic)


def _suppress(found, confidence_threshold, iou_threshold, class_agnostic):
    kept = []
    for box, confidence, class_id in sorted(found, key=lambda item: -item[1]):
        if confidence < confidence_threshold:
            break
        rivals = [k for k in kept if class_agnostic or k[2] == class_id]
        if all(_iou(box, rival[0]) <= iou_threshold for rival in rivals):
            kept.append((box, confidence, class_id))
    return kept


def _iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(area) - shared)
