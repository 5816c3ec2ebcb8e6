"""Who reads too slowly: images are dropped, the oldest first; messages wait at the camera, and none is lost."""

import time
import tracemalloc

from vedette_bridge.protocols.vlp.camera import open_bridge
from vedette_bridge.protocols.vlp.emulator import CHATTER, EmulatedCamera, EmulatorOptions
from vedette_bridge.shells.box import FRAMES_KEPT
from vedette_bridge.shells.inbox import MESSAGES_KEPT
from vedette_bridge.shells.notices import VendorMessage


def numbers(notices):
    return [
        int.from_bytes(notice.payload[:4], "little")
        for notice in notices
        if isinstance(notice, VendorMessage) and notice.channel == CHATTER
    ]


def test_messages_stop_at_the_camera_while_nobody_takes_them(serve):
    place = serve(EmulatedCamera(EmulatorOptions(chatter_hz=2000)))
    with open_bridge(place) as camera:
        notices = camera.notices(timeout_s=2.0)
        first = next(notices)
        time.sleep(1.0)
        held = camera.stats()["rx_frames"]
        time.sleep(1.5)
        assert camera.stats()["rx_frames"] - held < 60, "nothing but pings comes while there is no room"
        found = [first, *(next(notices) for _ in range(3 * MESSAGES_KEPT))]
        seen = numbers(found)
        assert seen == list(range(seen[0], seen[0] + len(seen))), "none is missing, in order"
        assert not camera.stats().get("rx_messages_unread")


def test_a_request_is_answered_though_messages_wait(serve):
    place = serve(EmulatedCamera(EmulatorOptions(chatter_hz=2000)))
    with open_bridge(place) as camera:
        notices = camera.notices(timeout_s=2.0)
        next(notices)
        time.sleep(0.6)
        assert camera.set(led=1) == {"led": 1}


def test_without_a_listener_the_latest_are_kept_and_the_others_counted(serve):
    place = serve(EmulatedCamera(EmulatorOptions(chatter_hz=2000)))
    with open_bridge(place) as camera:
        time.sleep(0.8)
        seen = numbers(camera.take_notices())
        assert MESSAGES_KEPT - 10 <= len(seen) <= MESSAGES_KEPT
        assert camera.stats()["rx_messages_unread"] > 0


def test_a_slow_consumer_gets_the_freshest_images_in_bounded_memory(serve):
    place = serve(EmulatedCamera(EmulatorOptions(fps=100, width=320, height=240)))
    with open_bridge(place) as camera:
        frames = camera.frames(5.0)
        first = next(frames)
        time.sleep(0.3)
        tracemalloc.start()
        time.sleep(1.0)
        grown = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert grown < 2 << 20
        late = next(frames)
        assert late.image_id - first.image_id > 50
        assert late.image_id - first.image_id - 1 == late.dropped_before
        age_s = (time.monotonic_ns() - late.t_capture_ns) / 1e9
        assert age_s < 0.01 * FRAMES_KEPT + 0.5
        assert camera.stats()["rx_images_unread"] > 50


def test_the_camera_gives_up_images_that_are_too_old(serve):
    """A line of 115200 baud takes 0.5 s for an image, which is worth something for 0.1 s."""
    options = EmulatorOptions(start_baud=115200, fps=20, deadline_ms=100, width=640, height=480)
    with open_bridge(serve(EmulatedCamera(options)), start_baud=115200) as camera:
        frames = camera.frames(0.2)
        began = time.monotonic()
        while not camera.stats().get("rx_images_aborted") and time.monotonic() - began < 5:
            try:
                next(frames)
            except TimeoutError:
                frames = camera.frames(0.2)
        assert camera.stats()["rx_images_aborted"] > 0
        assert camera.get("led") == {"led": 0}
