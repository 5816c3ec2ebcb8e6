"""Decoders: from a network's raw outputs to a result. One file per output format, each a pure function of arrays."""

from __future__ import annotations

from vedette.specs import PostprocessSpec
from vedette_cnn.decoders import (
    boxes_labels,
    classification,
    detr,
    embedding,
    fastestdet,
    gfl,
    landmarks,
    movenet,
    multiclass_nms,
    ssd,
    ultraface,
    ultralytics_detect,
    ultralytics_obb,
    ultralytics_pose,
    ultralytics_segment,
    yolov5,
    yolox,
    yunet,
)

DECODERS: tuple[PostprocessSpec, ...] = (
    boxes_labels.SPEC,
    classification.SPEC,
    detr.SPEC,
    embedding.SPEC,
    fastestdet.SPEC,
    gfl.SPEC,
    landmarks.SPEC,
    movenet.SPEC,
    multiclass_nms.SPEC,
    ssd.SPEC,
    ultraface.SPEC,
    ultralytics_detect.SPEC,
    ultralytics_obb.SPEC,
    ultralytics_pose.SPEC,
    ultralytics_segment.SPEC,
    yolov5.SPEC,
    yolox.SPEC,
    yunet.SPEC,
)
