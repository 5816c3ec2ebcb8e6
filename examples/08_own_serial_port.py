"""Vedette in a program that owns the serial port itself: no thread, no pipeline, one loop.

    python examples/08_own_serial_port.py MODEL.vedette /dev/ttyACM0 [IMAGES]

A camera to try it with: `vedette bridge emulate --protocol vlp`, which prints its port. A UART, as opposed to USB or a
pseudo-terminal, has a baud rate: open the port with it, and say LinkConfig(..., start_baud=115200).
"""

import itertools
import sys

import serial

from vedette import Model
from vedette_bridge import CameraDetection
from vedette_bridge.shells.box import Box
from vedette_bridge.vlp.config import LinkConfig


def turn(port: serial.Serial, box: Box) -> None:
    """Bytes in, time, bytes out. A program with a loop of its own calls this in it, at the latest at `box.due_us`."""
    box.feed(port.read(port.in_waiting or 1))
    box.poll()
    port.write(box.take_output())


def look(model: Model, image: bytes) -> list[CameraDetection]:
    found = model(image)
    rows = zip(found.xyxy.tolist(), found.confidence.tolist(), found.class_id.tolist(), strict=True)
    return [CameraDetection(tuple(xyxy), confidence, class_id) for xyxy, confidence, class_id in rows]


def main(bundle: str, path: str, images: str = "") -> None:
    with serial.Serial(path, timeout=0.002, exclusive=True) as port, Model(bundle, device="cpu") as model:
        box = Box(LinkConfig(role="box"), path)
        box.start()
        box.stream(True)
        seen = 0
        for _ in itertools.count():
            turn(port, box)
            if box.trouble is not None:
                raise box.trouble
            if (frame := box.take_frame()) is None:
                continue
            found = look(model, bytes(frame.data))
            box.send_detections(frame, found)
            print(
                f"image {frame.image_id} of {frame.t_capture_ns / 1e9:.3f} s: {len(found)} found", flush=True
            )
            seen += 1
            if seen == int(images or -1):
                break
        while not box.link.idle:
            turn(port, box)


if __name__ == "__main__":
    main(*sys.argv[1:])
