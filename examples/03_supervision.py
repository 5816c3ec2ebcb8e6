"""Hand detections to the supervision library, for its annotators, zones and trackers: pip install supervision."""

import numpy as np
import supervision as sv

from vedette import Detections


def to_supervision(found: Detections) -> sv.Detections:
    """The same boxes, confidences, classes and tracks; names of classes go where supervision's annotators look."""
    names = {"class_name": np.array(found.labels)[found.class_id]} if found.labels else {}
    columns = {"confidence": found.confidence, "class_id": found.class_id, "tracker_id": found.track_id}
    return sv.Detections(xyxy=found.xyxy, data=names, **columns)


if __name__ == "__main__":
    found = Detections.of(
        [[10, 20, 110, 220], [300, 40, 380, 200]], [0.9, 0.4], [0, 2], labels=("person", "dog", "car")
    )
    image = np.zeros((240, 400, 3), np.uint8)
    annotated = sv.BoxAnnotator().annotate(image, to_supervision(found))
    print(f"{len(found)} boxes, {np.count_nonzero(annotated.any(axis=2))} pixels drawn")
