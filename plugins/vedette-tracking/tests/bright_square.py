"""A detector for films of a bright square: a plugin beside the tests."""

import numpy as np

from vedette.hookspecs import hookimpl
from vedette.results import Detections
from vedette.specs import StageSpec


class BrightSquare:
    def start(self, stream):
        return None

    def process(self, inputs, state):
        rows, columns = np.nonzero(inputs.frame.view("gray8") > 128)
        if not len(rows):
            return Detections.empty(("ball",))
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        return Detections.of([box], [0.9], [0], labels=("ball",))


@hookimpl
def vedette_stages():
    return [
        StageSpec(
            name="bright-square",
            summary="The bright square of the picture.",
            gives=Detections,
            build=lambda params: BrightSquare(),
        )
    ]
