import io
import struct
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from vedette.errors import SourceError
from vedette.frame import Encoded, Packed, Planar
from vedette_video.plugin import STILLS
from vedette_video.still import DAMAGED, FOURCCS, read_still

decode = STILLS.build()

SIZES = [(64, 48), (33, 17), (1, 1)]


def picture(size_wh=(64, 48)):
    """B, G, R; smooth, so that JPEG keeps it."""
    w, h = size_wh
    out = np.zeros((h, w, 3), np.uint8)
    out[..., 0] = np.linspace(20, 230, w)
    out[..., 1] = np.linspace(230, 40, h)[:, None]
    out[..., 2] = 90
    return out


def encode(image, suffix=".jpg", *options):
    done, data = cv2.imencode(suffix, image, list(options))
    assert done
    return data.tobytes()


def encoded(data, size_wh=(64, 48), fourcc="JPEG"):
    return Encoded(fourcc, data, size_wh, "shots/7.jpg")


def bgr(pixels, make_packet):
    return make_packet(None, image=pixels).frame.view("bgr").astype(int)


def exif(orientation, order=">"):
    """An EXIF block with nothing but the orientation."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def with_exif(jpeg, block):
    body = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


SAMPLINGS = {
    name: getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}") for name in ("411", "420", "422", "440", "444")
}


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_jpeg(make_packet, size_wh, sampling, progressive):
    image = picture(size_wh)
    data = encode(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive,
                  cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling])  # fmt: skip
    assert read_still(data).size_wh == size_wh
    pixels = decode(encoded(data, size_wh))
    assert isinstance(pixels, Planar)
    assert (pixels.format, pixels.matrix, pixels.range, pixels.size_wh) == ("i420", "bt601", "full", size_wh)
    reference = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert np.abs(bgr(pixels, make_packet) - reference).mean() < (0.5 if sampling == "420" else 5)


def test_gray_jpeg():
    gray = picture()[..., 0]
    pixels = decode(encoded(encode(gray)))
    assert isinstance(pixels, Packed)
    assert pixels.format == "gray8"
    assert np.abs(pixels.pixels.astype(int) - gray).max() <= 3


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_jpeg_without_ycbcr(make_packet, mode):
    pil = pytest.importorskip("PIL.Image", reason="pillow is not installed: it makes the CMYK and RGB files")
    rgb = pil.fromarray(np.ascontiguousarray(picture()[..., ::-1]))
    out = io.BytesIO()
    rgb.convert(mode).save(out, "JPEG", quality=95, keep_rgb=mode == "RGB")
    pixels = decode(encoded(out.getvalue()))
    assert pixels.format == "bgr"
    assert np.abs(bgr(pixels, make_packet) - picture()).mean() < 3


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize(
    ("suffix", "fourcc"), [(".png", "PNG "), (".bmp", "BMP "), (".tiff", "TIFF"), (".ppm", "PPM ")]
)
def test_lossless_colour(make_packet, suffix, fourcc, size_wh):
    data = encode(picture(size_wh), suffix)
    header = read_still(data)
    assert (header.fourcc, header.size_wh, header.orientation) == (fourcc, size_wh, 0)
    pixels = decode(encoded(data, size_wh, fourcc))
    assert (bgr(pixels, make_packet) == picture(size_wh)).all()


@pytest.mark.parametrize("quality", [90, 101])  # above 100: lossless
@pytest.mark.parametrize("size_wh", SIZES)
def test_webp(make_packet, quality, size_wh):
    data = encode(picture(size_wh), ".webp", cv2.IMWRITE_WEBP_QUALITY, quality)
    assert (read_still(data).fourcc, read_still(data).size_wh) == ("WEBP", size_wh)
    pixels = decode(encoded(data, size_wh, "WEBP"))
    assert np.abs(bgr(pixels, make_packet) - picture(size_wh)).mean() < (4 if quality == 90 else 0.01)
    if quality == 90:
        assert (pixels.matrix, pixels.range) == ("bt601", "limited")


@pytest.mark.parametrize(("suffix", "fourcc"), [(".png", "PNG "), (".tiff", "TIFF"), (".pgm", "PGM ")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lossless_gray(suffix, fourcc, dtype):
    levels = np.linspace(0, np.iinfo(dtype).max, 64 * 48).astype(dtype).reshape(48, 64)
    pixels = decode(encoded(encode(levels, suffix), fourcc=fourcc))
    assert pixels.format == ("gray8" if dtype == np.uint8 else "gray16")
    assert (pixels.pixels == levels).all()


def test_png_with_alpha(make_packet):
    image = np.dstack([picture(), np.full((48, 64), 7, np.uint8)])
    pixels = decode(encoded(encode(image, ".png"), fourcc="PNG "))
    assert (bgr(pixels, make_packet) == picture()).all()


def test_black_and_white():
    levels = np.where(picture()[..., :1] > 128, 255, 0).astype(np.uint8)
    for suffix, option in ((".png", [cv2.IMWRITE_PNG_BILEVEL, 1]), (".pbm", [])):
        pixels = decode(encoded(encode(levels, suffix, *option)))
        assert (pixels.pixels == levels[..., 0]).all()


def test_real_photos(data, make_packet):
    for path in sorted((data / "images").glob("*.jpg")):
        raw = path.read_bytes()
        header = read_still(raw)
        pixels = decode(Encoded(header.fourcc, raw, header.size_wh, path.name))
        reference = cv2.imdecode(
            np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION
        )
        assert np.abs(bgr(pixels, make_packet) - reference).mean() < 3, path


# --- orientation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(make_packet, orientation, order):
    """Against OpenCV, which turns and mirrors by EXIF itself."""
    data = with_exif(encode(picture((64, 32))), exif(orientation, order))
    header = read_still(data)
    pixels = decode(encoded(data, (64, 32)))
    upright = (32, 64) if header.orientation in (90, 270) else (64, 32)
    packet = make_packet(None, image=pixels, size_wh=upright, orientation=header.orientation)
    reference = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    got = packet.frame.view("bgr")
    assert got.shape == reference.shape
    assert np.abs(got.astype(int) - reference).mean() < 3


def test_exif_of_png_and_webp():
    png = encode(picture(), ".png")
    chunk = struct.pack(">I", len(exif(6))) + b"eXIf" + exif(6) + b"\0\0\0\0"
    assert read_still(png[:33] + chunk + png[33:]).orientation == 90
    webp = encode(picture(), ".webp")
    chunk = b"EXIF" + struct.pack("<I", len(exif(8))) + exif(8)
    assert read_still(webp + chunk).orientation == 270


@pytest.mark.parametrize("block", [b"", b"II*\0", exif(9), exif(0), b"MM\0*\0\0\xff\xff", exif(6)[:15]])
def test_broken_exif_says_nothing(block):
    header = read_still(with_exif(encode(picture()), block))
    assert (header.size_wh, header.orientation, header.mirrored) == ((64, 48), 0, False)


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".ppm", ".webp"])
def test_cut_off_picture_is_an_error(suffix):
    rng = np.random.default_rng(0)
    data = encode(rng.integers(0, 256, (48, 64, 3), np.uint8), suffix)
    for keep in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(SourceError, match=r"shots/7\.jpg cannot be decoded"):
            decode(encoded(data[:keep]))


def test_cut_off_tiff_is_an_error():
    """Its header may come last."""
    data = encode(picture(), ".tiff")
    for keep in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(SourceError, match=r"shots/7\.jpg"):
            decode(encoded(data[:keep]))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".ppm", ".webp"])
def test_every_short_header_is_refused(suffix):
    data = encode(picture(), suffix)
    for keep in range(60):
        header = read_still(data[:keep])
        assert header is None or header.size_wh == (64, 48)
        with pytest.raises(SourceError, match=r"shots/7\.jpg"):
            decode(encoded(data[:keep]))


@pytest.mark.parametrize(("data", "words"), [(b"", "is empty"), (b"hello", "no header that can be read")])
def test_no_picture_at_all(data, words):
    with pytest.raises(SourceError, match=words):
        decode(encoded(data))


def test_damaged_png():
    data = bytearray(encode(picture(), ".png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(SourceError, match="cannot be decoded"):
        decode(encoded(bytes(data), fourcc="PNG "))


def test_other_size_than_announced():
    with pytest.raises(SourceError, match=r"\(64, 48\), not \(640, 480\)"):
        decode(encoded(encode(picture()), (640, 480)))


# --- contract -------------------------------------------------------------------------------------------------------


def test_codings_are_registered():
    assert STILLS.fourccs == (*FOURCCS, DAMAGED)
    assert all(len(fourcc) == 4 for fourcc in STILLS.fourccs)


def test_a_picture_that_was_lost_says_why():
    with pytest.raises(SourceError, match="rtsp://camera: a picture is damaged"):
        decode(Encoded(DAMAGED, b"", (64, 48), "rtsp://camera: a picture is damaged"))


def test_many_threads_at_once():
    data = {value: encode(np.full((48, 64, 3), value, np.uint8)) for value in range(0, 250, 5)}

    def level(value):
        return float(decode(encoded(data[value])).planes[0].mean())

    with ThreadPoolExecutor(8) as pool:
        levels = list(pool.map(level, [*data] * 8))
    assert np.abs(np.array(levels) - np.array([*data] * 8)).max() < 1.5
