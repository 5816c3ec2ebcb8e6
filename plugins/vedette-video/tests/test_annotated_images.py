import cv2
import numpy as np
import pytest

from vedette.errors import PipelineError
from vedette.frame import Encoded
from vedette.packet import Ran
from vedette.results import Detections
from vedette_video.annotate import annotate
from vedette_video.params import AnnotatedImagesParams
from vedette_video.plugin import ANNOTATED_IMAGES, STILLS


def open_sink(path, **params):
    return ANNOTATED_IMAGES.open(AnnotatedImagesParams(path=str(path), **params))


def picture(size_wh=(64, 48)):
    out = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    out[..., 0], out[..., 1] = np.linspace(20, 230, size_wh[0]), 100
    return out


BOX = {"detect": Ran(Detections.of([[8, 24, 56, 44]], [0.9], [1]))}


@pytest.mark.parametrize("size_wh", [(64, 48), (33, 17), (1, 1)])
def test_png_is_exact(tmp_path, make_packet, size_wh):
    packet = make_packet(picture(size_wh), BOX, epoch=2, seq=7)
    sink = open_sink(tmp_path / "new" / "out", format="png")
    sink.write(packet)
    sink.close()
    written = cv2.imread(str(tmp_path / "new" / "out" / "gate-2-000007.png"))
    assert (written == annotate(packet)).all()


@pytest.mark.parametrize("size_wh", [(64, 48), (33, 17), (1, 1)])
def test_jpg_is_close_and_smaller_with_less_quality(tmp_path, make_packet, size_wh):
    packet = make_packet(picture(size_wh))
    sizes = []
    for quality in (100, 90, 10):
        open_sink(tmp_path / str(quality), quality=quality).write(packet)
        path = tmp_path / str(quality) / "gate-0-000000.jpg"
        sizes.append(path.stat().st_size)
        error = np.abs(cv2.imread(str(path)).astype(int) - picture(size_wh)).mean()
        assert error < (8 if quality == 10 else 2)
    assert sizes[0] >= sizes[1] >= sizes[2]


def test_named_after_stream_number_and_origin(tmp_path, make_packet):
    _, data = cv2.imencode(".png", picture())
    image = Encoded("PNG ", data.tobytes(), (64, 48), "photos/bus stop.png")
    sink = open_sink(tmp_path)
    sink.write(make_packet(None, image=image, stream="yard/2", seq=12, decode=STILLS.build()))
    assert [path.name for path in tmp_path.iterdir()] == ["yard_2-0-000012-bus stop.jpg"]


def test_a_folder_for_each_stream(tmp_path, make_packet):
    sink = open_sink(tmp_path / "{stream}")
    for stream in ("gate", "yard"):
        sink.write(make_packet(picture(), stream=stream))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*")) == [
        "gate/gate-0-000000.jpg",
        "yard/yard-0-000000.jpg",
    ]


def test_existing_pictures_are_not_replaced_unasked(tmp_path, make_packet):
    open_sink(tmp_path).write(make_packet(picture()))
    with pytest.raises(PipelineError, match=r"gate-0-000000\.jpg exists already"):
        open_sink(tmp_path).write(make_packet(picture()))
    open_sink(tmp_path, mode="overwrite").write(make_packet(picture()))


def test_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="its folder cannot be created"):
        open_sink(tmp_path / "file")


def test_nothing_half_written(tmp_path, make_packet, monkeypatch):
    sink = open_sink(tmp_path)
    packet = make_packet(picture())
    (tmp_path / ".gate-0-000000.jpg.partial").symlink_to("/dev/full")
    with pytest.raises(PipelineError, match=r"cannot write .*gate-0-000000\.jpg"):
        sink.write(packet)
    sink.abort()
    assert not list(tmp_path.iterdir())
