import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import SourceError
from vedette_video.multipart import MAX_HEADERS, MAX_PART, MAX_PREAMBLE, Multipart

SHOWN = "http://camera/video"
JPEGS = [b"\xff\xd8one\r\n\r\n--\xff\xd9", b"\xff\xd8" + b"\n-" * 300 + b"\xff\xd9", b"\xff\xd8\xff\xd9"]


def parse(body, boundary="picture", step=1 << 16):
    position = 0

    def read_some():
        nonlocal position
        some = body[position : position + step]
        position += step
        return some

    parts = Multipart(read_some, boundary, SHOWN)
    found = []
    while (part := parts.next()) is not None:
        found.append(part)
    return found


def outcome(body, step=1 << 16):
    """The parts, or the error."""
    try:
        return parse(body, step=step)
    except SourceError as error:
        return error.message


def body_of(jpegs, *, lengths=True, eol=b"\r\n", before=b"\r\n", dashes=b"--"):
    pieces = []
    for jpeg in jpegs:
        head = [dashes + b"picture", b"Content-Type: IMAGE/jpeg; q=1"]
        head += [b"content-LENGTH:%d" % len(jpeg)] if lengths else []
        pieces.append(eol.join([*head, b"", b""]) + jpeg + before)
    return b"".join(pieces) + dashes + b"picture--" + eol


@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
@pytest.mark.parametrize("dashes", [b"--", b"----"])
@pytest.mark.parametrize("boundary", ["picture", "--picture"])
@given(step=st.integers(1, 700))
def test_parts_come_whole_however_cameras_write_them(lengths, eol, dashes, boundary, step):
    found = parse(body_of(JPEGS, lengths=lengths, eol=eol, dashes=dashes), boundary, step)
    assert [part.data for part in found] == JPEGS
    assert {part.content_type for part in found} == {"image/jpeg"}


def test_preamble_and_wrong_length_are_passed_over():
    body = b"hello\r\n" + body_of(JPEGS).replace(b"content-LENGTH:%d" % len(JPEGS[1]), b"content-LENGTH:7")
    found = parse(body)
    assert [part.data for part in found] == [JPEGS[0], JPEGS[1][:7], JPEGS[2]]


@pytest.mark.parametrize("cut", [5, 40, 80])
def test_body_that_ends_early(cut):
    assert outcome(body_of(JPEGS[1:2])[:cut]) in (
        [],
        f"{SHOWN} has ended the connection in the middle of a picture",
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"\0" * (MAX_PREAMBLE + 9000), "no parts with the boundary"),
        (b"x\n" * MAX_PREAMBLE, "no parts with the boundary"),
        (b"--picture\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1), "header lines"),
        (b"--picture\r\nContent-Length: 4294967296\r\n\r\n", "4294967296 bytes is announced"),
        (b"--picture\r\nContent-Length: -1\r\n\r\n", "-1 bytes is announced"),
        (b"--picture\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "bytes is announced"),
        (b"--picture\r\n\r\n" + b"\xff" * (MAX_PART + 70_000), f"more than {MAX_PART} bytes"),
    ],
)
def test_hostile_bodies_are_refused(body, problem):
    with pytest.raises(SourceError, match=problem):
        parse(body)


def test_endless_header_line_is_cut():
    with pytest.raises(SourceError, match="header lines"):
        parse(b"--picture\r\n" + b"x" * 2_000_000)


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_garbage_ends_with_an_error_or_the_end(body, step):
    found = outcome(body, step)
    assert isinstance(found, list) or SHOWN in found


@pytest.mark.parametrize("boundary", ["", "--", " "])
def test_no_boundary(boundary):
    with pytest.raises(SourceError, match="without saying what divides them"):
        parse(b"", boundary)
