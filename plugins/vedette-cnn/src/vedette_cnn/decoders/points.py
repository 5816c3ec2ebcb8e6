"""What decoders of points share."""

from __future__ import annotations

from vedette_cnn.decoders.raw import Raw

FACE_5 = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
"""Five points of a face, left and right as the viewer sees them."""

COCO_17 = (
    "nose",
    "left eye",
    "right eye",
    "left ear",
    "right ear",
    "left shoulder",
    "right shoulder",
    "left elbow",
    "right elbow",
    "left wrist",
    "right wrist",
    "left hip",
    "right hip",
    "left knee",
    "right knee",
    "left ankle",
    "right ankle",
)
"""The points of the COCO keypoint task (Lin et al. 2014, https://arxiv.org/abs/1405.0312), left and right as the person
has them."""


def point_names(raw: Raw, k: int, labels: tuple[str, ...], usual: tuple[str, ...]) -> tuple[str, ...]:
    """``labels`` of the bundle, else the usual names if they are as many.

    Raises
    ------
    ResultError
        There are labels, but not one per point.
    """
    if labels and len(labels) != k:
        raise raw.error(
            f"the model has {k} points, but the bundle has {len(labels)} labels",
            "give one label per point, in the model's order, or none",
        )
    return labels or (usual if len(usual) == k else ())
