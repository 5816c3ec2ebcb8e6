import io

import pytest

from vedette_bridge.jpeg import jpeg_size, sample_jpeg

Image = pytest.importorskip("PIL.Image", reason="needs pillow")


@pytest.mark.parametrize("size", [(320, 240), (13, 7), (1, 1), (640, 480)])
def test_a_decoder_of_another_hand_reads_the_test_card(size):
    card = sample_jpeg(size, 3)
    image = Image.open(io.BytesIO(card))
    assert image.size == size == jpeg_size(card)
    image.load()


def test_the_test_card_spells_its_number():
    image = Image.open(io.BytesIO(sample_jpeg((320, 8), 0xA5)))
    bits = [image.getpixel((8 * column + 4, 4)) > 128 for column in range(32)]
    assert sum(bit << place for place, bit in enumerate(bits)) == 0xA5


def test_the_size_of_what_another_encoder_wrote():
    stream = io.BytesIO()
    Image.new("RGB", (31, 17)).save(stream, "JPEG", progressive=True)
    assert jpeg_size(stream.getvalue()) == (31, 17)


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"\x89PNG", b"\xff\xd8", b"\xff\xd8\xff\xe0\xff", b"\xff\xd8" + b"\xff" * 64]
)
def test_what_has_no_size(raw):
    assert jpeg_size(raw) == (0, 0)
