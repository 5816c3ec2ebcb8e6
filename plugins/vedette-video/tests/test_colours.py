"""Known colours, coded by the formulas of the standards, come back: every matrix, both ranges, tagged or told."""

import av
import numpy as np
import pytest

from vedette_video.params import VideoParams
from vedette_video.plugin import VIDEO_FILE

PATCHES = np.array(
    [
        *[(255, 255, 255), (0, 0, 0), (128, 128, 128), (255, 0, 0), (0, 255, 0), (0, 0, 255)],
        *[(255, 255, 0), (0, 255, 255), (255, 0, 255), (200, 60, 30), (30, 90, 200), (240, 200, 180)],
    ],
    float,
)
SIDE = 32
KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
H273 = {"bt601": 6, "bt709": 1, "bt2020": 9}
RANGES = {"limited": 1, "full": 2}


def coded(matrix, range):
    """The patches in a row as Y'CbCr 4:2:0 (ITU-R BT.601, BT.709, BT.2020; H.273 for the full range)."""
    kr, kb = KR_KB[matrix]
    r, g, b = PATCHES.T / 255
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    luma, chroma, black = (219, 224, 16) if range == "limited" else (255, 255, 0)
    planes = [np.round(luma * y + black), np.round(chroma * cb + 128), np.round(chroma * cr + 128)]
    frame = av.VideoFrame(SIDE * len(PATCHES), SIDE, "yuv420p")
    for plane, levels, side in zip(frame.planes, planes, (SIDE, SIDE // 2, SIDE // 2), strict=True):
        lines = np.zeros((plane.height, plane.line_size), np.uint8)
        row = np.repeat(np.clip(levels, 0, 255).astype(np.uint8), side)
        lines[:, : len(row)] = row
        plane.update(lines.tobytes())
    return frame


def seen(make_packet, capture):
    rgb = make_packet(None, image=capture.image).frame.view("rgb")
    middles = np.arange(len(PATCHES)) * SIDE + SIDE // 2
    return rgb[SIDE // 2, middles].astype(float)


@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize("range", RANGES)
@pytest.mark.parametrize("tagged", [True, False])
def test_colours_of_a_file(make_video, make_packet, matrix, range, tagged):
    tags = {"colorspace": H273[matrix], "color_range": RANGES[range]} if tagged else {}
    path = make_video(pictures=[coded(matrix, range)] * 2, options={"qp": "0"}, **tags)
    params = VideoParams() if tagged else VideoParams(matrix=matrix, range=range)
    capture = VIDEO_FILE.open(str(path), params).read(1)
    assert (capture.image.matrix, capture.image.range) == (matrix, range)
    assert np.abs(seen(make_packet, capture) - PATCHES).max() <= 2


@pytest.mark.parametrize(("matrix", "range"), [("bt601", "limited"), ("bt709", "full")])
def test_colours_over_rtsp(make_video, make_packet, rtsp_server, server, opened, take, matrix, range):
    from vedette_video.plugin import RTSP

    tags = {"colorspace": H273[matrix], "color_range": RANGES[range]}
    options = {"qp": "0", "bf": "0"}
    path = make_video("clip.mp4", [coded(matrix, range)] * 50, options=options, **tags)
    served = server(
        rtsp_server(f"filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96")
    )
    for capture in take(opened(RTSP, f"rtsp://127.0.0.1:{served.port}/live"), 10):
        assert (capture.image.matrix, capture.image.range) == (matrix, range)
        assert np.abs(seen(make_packet, capture) - PATCHES).max() <= 2


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_every_rotation_is_upright(make_video, make_packet, clockwise):
    """Four quarters of different brightness, stored turned, are where they were."""
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, :48], upright[:32, 48:], upright[32:, :48], upright[32:, 48:] = 30, 90, 150, 220
    stored = np.rot90(upright, clockwise // 90)  # counter-clockwise, so that clockwise turns it back
    path = make_video("phone.mp4", [np.ascontiguousarray(stored)] * 2, rotation=-clockwise)
    capture = VIDEO_FILE.open(str(path), VideoParams()).read(1)
    packet = make_packet(None, image=capture.image, size_wh=(96, 64), orientation=capture.orientation)
    gray = packet.frame.view("gray8").astype(float)
    assert gray.shape == (64, 96)
    for (y, x), level in {(16, 24): 30, (16, 72): 90, (48, 24): 150, (48, 72): 220}.items():
        assert abs(gray[y - 8 : y + 8, x - 12 : x + 12].mean() - level) < 4
