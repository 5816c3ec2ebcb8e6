"""The source ``rtsp``: network cameras."""

from __future__ import annotations

from vedette_video.address import parse_address
from vedette_video.ffmpeg_input import FFmpegInput
from vedette_video.live import LiveSource
from vedette_video.params import NetworkParams, RtspParams


def open_rtsp(uri: str, params: RtspParams) -> LiveSource:
    """Connect to the camera at ``uri``.

    Raises
    ------
    SourceError
        It cannot be reached or does not answer in time, refuses the user, or sends no video.
    """
    address = parse_address(uri, params.user, params.password)
    options = {
        "rtsp_transport": params.transport,
        "allowed_media_types": "video",
        "protocol_whitelist": "rtsp,rtp,tcp,tls,udp",
        "timeout": str(round(params.read_timeout_s * 1e6)),
        "fpsprobesize": "0",  # else FFmpeg waits for 20 pictures, to guess a rate that nobody asks for
        "max_delay": "0" if params.transport == "tcp" else "100000",  # microseconds to wait for late packets
        **tls_options(params),
    }

    def connect() -> FFmpegInput:
        return FFmpegInput(
            address.with_login(), address.shown, params, format="rtsp", options=options, always_live=True
        )

    return LiveSource(connect, address.shown, params, params.clock)


def tls_options(params: NetworkParams) -> dict[str, str]:
    """FFmpeg checks no certificate unless it is told to."""
    options = {"tls_verify": "1" if params.verify else "0"}
    return options | ({"ca_file": params.ca_file} if params.ca_file else {})
