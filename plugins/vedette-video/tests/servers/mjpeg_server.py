"""An MJPEG camera on loopback: numbered JPEGs, at a steady rate, to everybody who asks. Prints its port.

    python mjpeg_server.py [--rate 25] [--port 0] [--first 0]

Each client gets every picture from its request on. ``/snapshot.jpg`` is the picture of the moment.
"""

import argparse
import http.server
import sys
import threading
import time
from pathlib import Path

import numpy as np

from vedette_video.annotated_images import encode_jpeg

sys.path.insert(0, str(Path(__file__).parent))
from numbered import draw

KEPT = 500
"""Pictures that a client may be behind."""


class Camera:
    """The latest pictures, and the number of the last."""

    def __init__(self, rate, first):
        self.changed = threading.Condition()
        self.number = first - 1
        self._jpegs = {}
        self._period_s = 1 / rate

    def run(self):
        due = time.monotonic()
        while True:
            number = self.number + 1
            jpeg = encode_jpeg(np.repeat(draw(number & 0xFFFF)[..., None], 3, axis=2), 90)
            with self.changed:
                self.number, self._jpegs[number] = number, jpeg
                self._jpegs.pop(number - KEPT, None)
                self.changed.notify_all()
            due += self._period_s
            time.sleep(max(0.0, due - time.monotonic()))

    def wait_after(self, number):
        with self.changed:
            self.changed.wait_for(lambda: self.number > number)
            return number + 1, self._jpegs[number + 1]


def handler_of(camera):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/snapshot"):
                _, jpeg = camera.wait_after(camera.number)
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(jpeg)))
                self.end_headers()
                self.wfile.write(jpeg)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
            self.end_headers()
            number = camera.number
            try:
                while True:
                    number, jpeg = camera.wait_after(number)
                    head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                pass  # the client has gone

        def log_message(self, *args):
            pass

    return Handler


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=25)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    camera = Camera(options.rate, options.first)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), handler_of(camera))
    server.daemon_threads = True
    threading.Thread(target=camera.run, daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
