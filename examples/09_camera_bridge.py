"""A camera with firmware of its own, complete: its images through a detector, and what was found back to it.

    python examples/09_camera_bridge.py                                 an emulated camera that shows a test card
    python examples/09_camera_bridge.py MODEL.vedette FOLDER_OF_JPEGS   an emulated camera with your pictures and model

With a real camera, write its address (vlp:///dev/ttyACM0?baud=3000000) where the emulator's is. Without a model the
bright part of the image is "detected", so that this runs anywhere. What the camera was told is shown at the end.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from vedette import Detections, Pipeline, Result, StageSpec, hookimpl, load_plugins

IMAGES = 20


class Bright:
    """One box around all that is bright."""

    def __init__(self, params) -> None:
        pass

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs, state) -> Result:
        bright = inputs.frame.view("gray8") > 230
        if not bright.any():
            return Detections.empty(("bright",))
        ys, xs = bright.nonzero()
        box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        return Detections.of([box], [bright.mean()], [0], labels=("bright",))


@hookimpl
def vedette_stages() -> list[StageSpec]:
    return [StageSpec(name="bright", summary="finds what is bright", build=Bright, gives=Detections)]


def configuration(address: str, bundle: str) -> dict:
    wanted = bundle and "person"
    lamp = {"set": {"led": 255}, "otherwise": {"led": 0}} | ({"when": wanted} if wanted else {})
    return {
        "name": "gate",
        "stream": [{"name": "camera", "source": address, "params": {"set": {"exposure_us": 8000}}}],
        "stage": [
            {"name": "detect", **({"bundle": bundle} if bundle else {"use": "bright"})},
            {"name": "lamp", "use": "camera", "on": "detect", "params": {"camera": address, "rules": [lamp]}},
            {"name": "said", "use": "camera_events", "params": {"camera": address}},
        ],
        "sink": [{"use": "vlp", "params": {"camera": address}}],
    }


def run(address: str, bundle: str) -> None:
    with Pipeline.from_dict(configuration(address, bundle), registry=load_plugins([__name__])) as pipeline:

        def show(packet) -> None:
            clock = packet.frame.clock
            found = len(packet.results["detect"])
            print(
                f"image {packet.frame.seq}: {found} found, +-{clock.uncertainty_ns / 1e6:.2f} ms", flush=True
            )
            for event in packet.events:
                print(f"  {event.kind} {dict(event.data)}")
            if packet.frame.ticket + 1 >= IMAGES:
                pipeline.stop()

        pipeline.observe(show)
        pipeline.run()


def main(bundle: str = "", pictures: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "camera.jsonl")
        command = [sys.executable, "-m", "vedette", "bridge", "emulate", "--protocol", "vlp"]
        for option in (f"images={pictures}", f"log={log}", "fps=8", "trigger_s=1"):
            command += ["--option", option]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as camera:
            try:
                run(f"vlp:{camera.stdout.readline().strip()}", bundle)
            finally:
                camera.terminate()
        told = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["what"] == "result"]
    print(f"the camera was told of {len(told)} images, the last time: {json.dumps(told[-1])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
