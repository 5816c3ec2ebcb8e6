"""Servers in processes of their own, that can be stopped, killed and started again at the same port."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"
START_S = 20.0
ELEMENTS = ["x264enc", "rtph264pay", "h264parse", "jpegenc", "rtpjpegpay", "qtdemux", "rawvideoparse"]


class Server:
    """``command`` prints its port. With ``port = None`` a free one is taken."""

    def __init__(self, command):
        self._command = command
        self._process = None
        self.port = None

    def start(self):
        command = [*self._command, "--port", str(self.port or 0)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        line = self._process.stdout.readline() if ready else ""
        if not line.strip().isdigit():
            self.kill()
            raise RuntimeError(f"{command} did not start")
        self.port = int(line)
        return self

    def stop(self):
        """It hangs: connections stay open, and nothing comes."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None


def mjpeg_server(**options):
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return Server([sys.executable, str(HERE / "mjpeg_server.py"), *arguments])


def rtsp_server(pipeline, *options):
    return Server([SYSTEM_PYTHON, str(HERE / "rtsp_server.py"), pipeline, *options])


def why_no_rtsp_server():
    """What is lacking for :func:`rtsp_server`; nothing if it can run."""
    code = f"""
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(1 if None in map(Gst.ElementFactory.find, {ELEMENTS}) else 0)
"""
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, text=True, timeout=60)
    except OSError:
        done = None
    if done is not None and done.returncode == 0:
        return ""
    return (
        "needs GStreamer's RTSP server: apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good "
        "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
    )
