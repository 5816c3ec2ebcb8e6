import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import PipelineError, SourceError
from vedette.frame import Encoded
from vedette.packet import Failed, NotRun, Quarantined, Ran
from vedette.results import AnomalyMap, Classification, Detections, Embedding, Keypoints
from vedette_video import draw
from vedette_video.annotate import annotate, short_id
from vedette_video.font import _GLYPHS, coverage, line_size, plain

LABELS = ("person", "bicycle")


def blank(size_wh=(320, 240), level=60):
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def detections(xyxy, labels=LABELS, **rest):
    count = len(xyxy)
    return Detections.of(xyxy, np.linspace(0.9, 0.5, count), np.arange(count) % 2, labels=labels, **rest)


# --- font -----------------------------------------------------------------------------------------------------------


def test_font_has_every_printable_character():
    assert sorted(_GLYPHS) == [chr(code) for code in range(32, 127)]
    assert len({*_GLYPHS.values()}) == 95, "two characters look the same"


@pytest.mark.parametrize("cell", [1.0, 1.25, 2.0, 3.5, 6.0])
def test_characters_are_legible_at_every_size(cell):
    """Each covers its cells, and no two come out alike."""
    shapes = {char: coverage(char, cell) for char in _GLYPHS if char != " "}
    assert all(
        shape.shape == line_size(char, cell)[::-1] and shape.max() > 150 for char, shape in shapes.items()
    )
    assert len({shape.tobytes() for shape in shapes.values()}) == 94
    assert coverage(" ", cell).max() == 0


def test_text_is_as_wide_as_its_characters():
    assert coverage("person", 2.0).shape == line_size("person", 2.0)[::-1] == (18, 72)


@pytest.mark.parametrize(
    ("text", "shown"), [("Zürich", "Zurich"), ("人 ok", "? ok"), ("a\tb", "a?b"), ("", "")]
)
def test_what_the_font_lacks(text, shown):
    assert plain(text) == shown
    assert len(plain(text)) == len(text)


# --- drawing --------------------------------------------------------------------------------------------------------

numbers = st.floats(-500, 900)


@given(st.tuples(numbers, numbers, numbers, numbers), st.sampled_from([(1, 1), (7, 300), (320, 240)]))
def test_drawing_anywhere_stays_in_the_picture(xyxy, size_wh):
    picture = blank(size_wh)
    draw.rectangle(picture, xyxy, (1, 2, 3), 3)
    draw.label(picture, "person 0.93", xyxy, (1, 2, 3), 2.0)
    draw.dot(picture, xyxy[:2], (1, 2, 3), 3.0)
    draw.note(picture, ["one", "two"], 2.0)


def test_rectangle_marks_the_edges_of_the_box():
    picture = blank()
    draw.rectangle(picture, (10, 20, 50, 60), (0, 0, 255), 2)
    marked = (picture == (0, 0, 255)).all(axis=2)
    expected = np.zeros_like(marked)
    expected[20:60, 10:50] = True
    expected[22:58, 12:48] = False
    assert (marked == expected).all()


def test_rectangle_of_a_box_beyond_the_edge_is_open_there():
    picture = blank()
    draw.rectangle(picture, (-20, -20, 50, 60), (0, 0, 255), 2)
    marked = (picture == (0, 0, 255)).all(axis=2)
    assert marked[59, :50].all()
    assert marked[:60, 49].all()
    assert not marked[:50, :40].any()


def test_label_stands_above_its_box_or_inside_at_the_top():
    for top, rows in ((100, slice(0, 100)), (0, slice(0, 30))):
        picture = blank()
        draw.label(picture, "person", (40, top, 200, 200), (0, 200, 0), 2.0)
        touched = np.flatnonzero((picture != 60).any(axis=(1, 2)))
        assert touched.size
        assert np.isin(touched, np.arange(320)[rows]).all()


def test_label_is_moved_in_at_the_right_edge():
    picture = blank()
    draw.label(picture, "person", (310, 100, 320, 200), (0, 200, 0), 1.0)
    touched = np.flatnonzero((picture != 60).any(axis=(0, 2)))
    assert touched[0] == 320 - line_size("person", 1.0)[0] - 4
    assert touched[-1] == 319


def test_ink_stands_out_on_every_colour():
    for number in range(200):
        colour = draw.colour_of(number)
        blends = draw._blends(colour)
        luma = [float(np.dot((0.114, 0.587, 0.299), blends[end])) for end in (0, -1)]
        assert abs(luma[0] - luma[1]) > 90, number


def test_colours_of_neighbours_differ():
    colours = np.array([draw.colour_of(number) for number in range(80)], int)
    assert len({tuple(colour) for colour in colours}) == 80
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 100
    assert draw.colour_of(7) == draw.colour_of(7)


# --- packets --------------------------------------------------------------------------------------------------------


def changed(make_packet, outcome, size_wh=(320, 240)):
    """Where drawing changed the picture, and the picture."""
    picture = annotate(make_packet(blank(size_wh), outcome))
    return (picture != 60).any(axis=2), picture


def test_the_frame_itself_is_left_alone(make_packet):
    packet = make_packet(blank(), {"detect": Ran(detections([[40, 60, 90, 120]]))})
    assert (annotate(packet) != 60).any()
    assert (packet.frame.image.pixels == 60).all()
    assert (packet.frame.view("bgr") == 60).all()


def test_boxes_in_the_colour_of_their_class(make_packet):
    _, picture = changed(make_packet, {"detect": Ran(detections([[40, 60, 90, 120], [150, 60, 200, 120]]))})
    assert tuple(picture[119, 60]) == draw.colour_of(0)
    assert tuple(picture[119, 170]) == draw.colour_of(1)


def test_looked_and_found_nothing_is_the_plain_picture(make_packet):
    mask, _ = changed(make_packet, {"detect": Ran(detections(np.zeros((0, 4))))})
    assert not mask.any()


@pytest.mark.parametrize(
    "outcome", [NotRun("rate"), NotRun("no_input"), Failed(RuntimeError("no")), Quarantined()]
)
def test_did_not_look_is_said(make_packet, outcome):
    mask, _ = changed(make_packet, {"detect": outcome})
    assert mask[-10:, :40].any()
    assert not mask[:-20].any()


def test_confidence_track_and_later_stages_change_the_label(make_packet):
    box = [[40, 60, 90, 120]]
    colour = Classification(
        source="detect", source_row=np.array([0], np.int32), class_id=np.array([[1]], np.int32),
        confidence=np.array([[0.7]], np.float32), labels=("red", "blue"),
    )  # fmt: skip
    outcomes = [
        {"detect": Ran(detections(box))},
        {"detect": Ran(detections(box, labels=("car", "bicycle")))},
        {"detect": Ran(detections(box, track_id=np.array([7])))},
        {"detect": Ran(detections(box)), "colour": Ran(colour)},
    ]
    pictures = {annotate(make_packet(blank(), outcome)).tobytes() for outcome in outcomes}
    assert len(pictures) == len(outcomes)


def test_long_ids_are_drawn_by_their_end(make_packet):
    box, label = [[40, 60, 90, 120]], {"labels": ("car",)}
    drawn = [
        annotate(
            make_packet(blank(), {"detect": Ran(detections(box, track_id=np.array([id_]), **label))})
        ).tobytes()
        for id_ in (4503599627370042, 1_000_042, 4503599627370043)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert (short_id(999_999), short_id(1_000_007)) == ("#999999", "#007")


def test_points(make_packet):
    points = np.array([[[60, 80], [70, 80]]], np.float32)
    with_points, _ = changed(make_packet, {"faces": Ran(detections([[40, 60, 90, 120]], points=points))})
    without, _ = changed(make_packet, {"faces": Ran(detections([[40, 60, 90, 120]]))})
    assert with_points[80, 60]
    assert not without[80, 60]
    pose = Keypoints(points=points, confidence=np.array([[0.9, 0.1]], np.float32))
    mask, _ = changed(make_packet, {"pose": Ran(pose)})
    assert mask[80, 60]
    assert not mask[80, 70], "a point that the model is not sure of"


def test_other_results(make_packet):
    whole = Classification(
        class_id=np.array([[1, 0]], np.int32), confidence=np.array([[0.7, 0.2]], np.float32)
    )
    assert changed(make_packet, {"what": Ran(whole)})[0][-10:, :40].any()
    heat = AnomalyMap(
        score=np.array([3.5], np.float32),
        heat=np.zeros((1, 2, 2), np.float32),
        xyxy=np.array([[40, 60, 90, 120]], np.float32),
    )
    assert changed(make_packet, {"odd": Ran(heat)})[0][119, 60]
    vector = Embedding(vector=np.ones((1, 4), np.float32))
    assert not changed(make_packet, {"embed": Ran(vector), "count": Ran(None)})[0].any()


def test_a_picture_that_cannot_be_decoded_says_so(make_packet):
    def decode(image):
        raise SourceError(f"{image.name} cannot be decoded")

    broken = Encoded("JPEG", b"", (1, 1), "shots/7.jpg")
    picture = annotate(
        make_packet(None, {"detect": Ran(detections([[0, 0, 9, 9]]))}, image=broken, decode=decode)
    )
    assert picture.shape == (360, 640, 3)
    assert (picture[-12:, :200] > 150).any()


@pytest.mark.parametrize("size_wh", [(1, 1), (33, 17), (416, 416), (3840, 2160)])
def test_every_size(make_packet, size_wh):
    scale = np.array([*size_wh, *size_wh])
    outcome = {"detect": Ran(detections(np.array([[0.1, 0.2, 0.6, 0.8]]) * scale)), "faces": NotRun("rate")}
    mask, picture = changed(make_packet, outcome, size_wh)
    assert picture.shape == (size_wh[1], size_wh[0], 3)
    assert mask.any()


# --- masks ----------------------------------------------------------------------------------------------------------


def test_a_mask_shades_its_part_of_the_box(make_packet):
    mask = np.zeros((1, 4, 4), np.uint8)
    mask[0, :, 2:] = 255
    found = detections([[100, 80, 200, 180]], masks=mask)
    plain = annotate(make_packet(blank(), {"detect": Ran(detections([[100, 80, 200, 180]]))})).astype(int)
    shaded = annotate(make_packet(blank(), {"detect": Ran(found)})).astype(int)

    changed = (plain != shaded).any(axis=2)
    assert changed[110:170, 160:190].all(), "the right half"
    assert not changed[110:170, 110:140].any(), "not the left one"
    assert not changed[:, :100].any()
    assert not changed[:, 200:].any()


def test_masks_are_cut_at_the_edges_and_may_be_empty():
    for xyxy in [
        (-20, -30, 10, 10),
        (300, 220, 400, 300),
        (400, 300, 420, 320),
        (5, 5, 5, 5),
        (-9, -9, -3, -3),
    ]:
        draw.shade(picture := blank(), np.full((28, 28), 255, np.uint8), xyxy, (255, 0, 0))
        inside = min(320, xyxy[2]) > max(0, xyxy[0]) and min(240, xyxy[3]) > max(0, xyxy[1])
        assert (picture != 60).any() == inside
    draw.shade(picture := blank(), np.zeros((0, 0), np.uint8), (10, 10, 50, 50), (255, 0, 0))
    assert (picture == 60).all()


def test_points_that_the_model_is_not_sure_of_are_left_out(make_packet):
    points = np.array([[[50, 50], [250, 50]]], np.float32)
    sure = np.array([[0.9, 0.1]], np.float32)
    found = detections([[100, 100, 200, 200]], points=points, point_confidence=sure)
    shown = annotate(make_packet(blank(), {"detect": Ran(found)}))
    assert (shown[45:55, 45:55] != 60).any()
    assert (shown[45:55, 245:255] == 60).all()


# --- hidden ---------------------------------------------------------------------------------------------------------


def checks():
    """A picture in which no two neighbours are alike."""
    tile = (np.indices((240, 320)).sum(axis=0) % 2 * 255).astype(np.uint8)
    return np.repeat(tile[..., None], 3, axis=2)


def test_what_is_hidden_is_gone_and_not_drawn(make_packet):
    packet = make_packet(checks(), {"faces": Ran(detections([[100, 80, 150, 130]]))})
    shown = annotate(packet, hide="faces")
    plain = checks()
    assert len(np.unique(shown[80:130, 100:150].reshape(-1, 3), axis=0)) <= draw.MOSAIC**2
    assert np.abs(shown[80:130, 100:150].astype(int) - 127).max() <= 2
    shown[80:130, 100:150] = plain[80:130, 100:150]
    assert (shown == plain).all()


def test_landmarks_do_not_tell_of_what_is_hidden(make_packet):
    points = np.array([[[110, 90], [140, 90], [125, 105]]], np.float32)
    with_points = detections([[100, 80, 150, 130]], points=points)
    outcomes = {"faces": Ran(with_points), "tracks": Ran(with_points)}
    bare = {"faces": Ran(with_points), "tracks": Ran(detections([[100, 80, 150, 130]]))}
    shown, plain = (annotate(make_packet(checks(), outcome), hide="faces") for outcome in (outcomes, bare))
    assert (shown == plain).all()


@pytest.mark.parametrize(
    "outcome", [NotRun("rate"), NotRun("no_input"), Failed(ValueError("no")), Quarantined()]
)
def test_where_nobody_looked_all_is_hidden(make_packet, outcome):
    shown = annotate(make_packet(checks(), {"faces": outcome}), hide="faces")
    assert (np.abs(shown[:120].astype(int) - 127) <= 2).all()


def test_hiding_needs_a_stage_with_boxes(make_packet):
    packet = make_packet(checks(), {"faces": Ran(None)})
    with pytest.raises(PipelineError, match="there is no stage 'nose'"):
        annotate(packet, hide="nose")
    with pytest.raises(PipelineError, match="gives no boxes"):
        annotate(packet, hide="faces")


def test_boxes_beside_the_picture_are_hidden_as_far_as_they_go():
    picture = checks().copy()
    draw.pixelate(picture, (-50, -50, 3, 3))
    draw.pixelate(picture, (400, 10, 500, 20))
    assert (picture[3:] == checks()[3:]).all()
    draw.pixelate(picture, (10.2, 10.2, 10.4, 10.4))
    assert (picture[10, 10] == checks()[10, 10]).all()
