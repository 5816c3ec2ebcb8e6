"""Cameras over the network are recorded as the units that came, from the first on."""

import contextlib
import http.server
import subprocess
import sys
import threading
import time
import types
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vedette.hookspecs import hookimpl
from vedette.pipeline.run import Pipeline
from vedette.recording.reading import Recording
from vedette.registry import load_plugins
from vedette.results import Embedding
from vedette.specs import StageSpec
from vedette_video.annotated_images import encode_jpeg

SERVER = Path(__file__).parent / "servers/rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"  # gi comes with the system


def run(registry, source, folder, jsonl, frames=None):
    """Run one stream without any work, up to ``frames``, and give what came of it."""
    config = {
        "stream": [{"name": "camera", "source": str(source), "reopen": "never"}],
        "stage": [{"name": "seen", "use": "look"}],
        "sink": [{"use": "jsonl", "params": {"path": str(jsonl)}}],
    }
    if folder is not None:
        config["stream"][0]["record"] = str(folder)
    with Pipeline.from_dict(config, registry=registry) as pipeline:
        if frames is not None:
            count = iter(range(1, 10**9))
            pipeline.observe(lambda packet: pipeline.stop() if next(count) == frames else None)
        pipeline.run()
        summary = pipeline.summary()
    return jsonl.read_bytes().splitlines(), summary.streams["camera"]


def check(registry, source, tmp_path, frames, kind):
    first, counts = run(registry, source, tmp_path / "rec", tmp_path / "first.jsonl", frames)
    again, _ = run(registry, tmp_path / "rec", None, tmp_path / "again.jsonl")
    assert len(first) >= frames
    assert again == first
    recording = Recording(tmp_path / "rec")
    lines = [entry.line for entry in recording.entries()]
    recording.close()
    assert recording.end.why == "stopped"
    assert len(lines) == counts["captured"]
    assert {type(line.image).__name__ for line in lines} == {kind}
    assert (
        len({msgspec.json.decode(line)["stages"]["seen"]["result"]["vector"][0][0] for line in first})
        > frames / 2
    )


def test_mjpeg(registry, jpegs, serve, tmp_path):
    def send(handler):
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
        handler.end_headers()
        for data in jpegs * 100:
            head = f"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            handler.wfile.write(head.encode() + data + b"\r\n")
            time.sleep(0.01)

    check(registry, serve(send), tmp_path, 30, "EncodedImage")


def test_a_transport_stream_that_is_entered_anywhere(registry, make_video, serve, tmp_path):
    """The beginning is in the middle of a group of pictures: what the decoder makes of it is made again."""
    path = make_video(
        "clip.ts", count=200, size_wh=(320, 240), options={"x264-params": "bframes=2:keyint=25"}
    )
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]

    def send(handler):
        handler.send_header("Content-Type", "video/mp2t")
        handler.end_headers()
        for number, packet in enumerate(packets[:3] + packets[len(packets) // 9 :] + packets * 20):
            handler.wfile.write(packet)
            if number % 4 == 0:
                time.sleep(0.002)

    check(registry, serve(send), tmp_path, 60, "DecodedImage")


def test_rtsp(registry, rtsp, tmp_path):
    port = rtsp("videotestsrc is-live=true pattern=snow ! video/x-raw,width=320,height=240,framerate=25/1"
                " ! x264enc tune=zerolatency key-int-max=15 ! rtph264pay name=pay0 config-interval=1")  # fmt: skip
    check(registry, f"rtsp://127.0.0.1:{port}/live", tmp_path, 40, "DecodedImage")


class Look:
    """The checksum of the pixels, as a result."""

    def start(self, stream):
        return None

    def process(self, inputs, state):
        image = inputs.frame.pixels()
        total = 0
        for plane in image.planes:
            total = zlib.crc32(np.ascontiguousarray(plane), total)
        return Embedding(vector=np.array([[total & 0xFFFFFF]], np.float32), source_row=np.zeros(1, np.int32))


@pytest.fixture
def registry():
    @hookimpl
    def vedette_stages():
        return [
            StageSpec(
                name="look", summary="Checksums.", build=lambda params: Look(), gives=Embedding, ordered=True
            )
        ]

    module = types.ModuleType("look_at_recordings")
    module.vedette_stages = vedette_stages
    sys.modules[module.__name__] = module
    return load_plugins([module.__name__])


@pytest.fixture
def serve():
    """``serve(send)``: the address of a server on loopback that answers with ``send(handler)``."""
    servers = []

    def start(send):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                with contextlib.suppress(OSError):  # the client has seen enough
                    send(self)

            def log_message(self, *arguments):
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/live"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def rtsp():
    """``rtsp(pipeline)``: the port of a server on loopback that serves it."""
    need = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", need], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs python3-gi and gir1.2-gst-rtsp-server-1.0 (apt) for a real RTSP server")
    processes = []

    def start(pipeline):
        process = subprocess.Popen([SYSTEM_PYTHON, str(SERVER), pipeline], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return int(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def jpegs():
    rng = np.random.default_rng(0)
    return [encode_jpeg(rng.integers(0, 255, (48, 64, 3), np.uint8), 80) for _ in range(20)]
