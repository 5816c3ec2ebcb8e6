"""A plugin with one stage: it reads the number that a picture of our servers carries."""

import sys
from pathlib import Path

import numpy as np

from vedette.hookspecs import hookimpl
from vedette.results import Classification
from vedette.specs import StageSpec

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins" / "vedette-video" / "tests" / "servers"))

import numbered


class ReadNumber:
    def start(self, stream):
        return None

    def process(self, inputs, state):
        number = numbered.read(inputs.frame.view("gray8"))
        return Classification(class_id=np.array([[number]], np.int32), confidence=np.ones((1, 1), np.float32))


@hookimpl
def vedette_stages():
    return [
        StageSpec(
            name="number",
            summary="Reads the number of a picture.",
            build=lambda params: ReadNumber(),
            gives=Classification,
        )
    ]
