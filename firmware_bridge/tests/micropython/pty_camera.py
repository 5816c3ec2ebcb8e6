"""The MicroPython camera as a process of its own on a pseudo-terminal whose master is descriptor ``argv[1]``.

What the box found goes to standard output, a line per image.
"""

import json
import os
import select
import sys
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[2] / "micropython"))
from vlp_camera import EXPOSURE_US, Camera, Parameter


class PtyPort:
    def __init__(self, descriptor):
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor

    def readinto(self, buffer):
        try:
            return os.readv(self.descriptor, [buffer])
        except OSError:  # nothing there, or nobody has it open
            return None

    def write(self, data):
        try:
            return os.write(self.descriptor, data)
        except OSError:
            return None


def picture(obj):
    """The image of this number: anyone can say what it must be."""
    return b"\xff\xd8" + Random(obj).randbytes(20_000) + b"\xff\xd9"


def main():
    values = {"exposure": 8000}
    parameters = {
        EXPOSURE_US: Parameter(
            lambda: values["exposure"], lambda value: values.update(exposure=value), 100, 50_000
        )
    }
    camera = Camera(
        PtyPort(int(sys.argv[1])),
        {0: "Acme", 1: "Eye", 2: "0001"},
        (320, 240),
        parameters=parameters,
        on_results=lambda obj, t_us, findings: print(json.dumps([obj, findings]), flush=True),
        maxpl=2048,
        window=16,
        ticks=lambda: time.monotonic_ns() // 1000,
    )
    while True:
        camera.poll()
        if camera.wants_image():
            camera.send(picture(camera.link.images.next_obj), camera.link.time_us())
        select.select([camera.link._port.descriptor], [], [], 0.001)


if __name__ == "__main__":
    main()
