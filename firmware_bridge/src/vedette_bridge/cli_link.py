"""Commands of ``vedette bridge`` for cameras that speak VLP: look on, pair, measure."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from vedette_bridge.drivers import open_camera
from vedette_bridge.errors import LinkError, LinkTimeoutError, NotSupportedError
from vedette_bridge.protocols.vlp.camera import VlpCamera, open_bridge
from vedette_bridge.shells.keys import new_key, write_key

CAMERA = click.argument("camera")
LOSSES = (
    "rx_skipped_bytes",
    "rx_bad_header",
    "rx_bad_payload",
    "tx_again",
    "rx_duplicates",
    "rx_images_unread",
)


@click.command()
@CAMERA
@click.option("--seconds", type=float, help="Stop after so long.  [default: at Ctrl-C]")
@click.option("--images/--no-images", default=True, help="Whether to have the camera send images.")
def monitor(camera: str, seconds: float | None, images: bool) -> None:
    """Show what a camera says, and once a second how its link does."""
    until = None if seconds is None else time.monotonic() + seconds
    with _open(camera) as opened:
        counted = Counted(opened)
        while until is None or time.monotonic() < until:
            counted.watch(1.0, images)
            click.echo(counted.line())


@click.command()
@CAMERA
@click.argument("key_file", type=click.Path(path_type=Path))
def pair(camera: str, key_file: Path) -> None:
    """Give a camera in pairing mode a new key, and keep it in KEY_FILE, which only its owner can read."""
    key = new_key()
    write_key(key_file, key)
    try:
        with _open(camera) as opened:
            opened.pair(key)
    except LinkError:
        key_file.unlink()
        raise
    with open_bridge(camera, key=key) as opened:
        click.echo(f"{opened.name} is paired; add key=file:{key_file} to its address")


@click.command()
@CAMERA
@click.option("--seconds", default=5.0, show_default=True)
def bench(camera: str, seconds: float) -> None:
    """Measure a link, as JSON: images, bytes, requests alone and under load, clocks, and this process's time."""
    with _open(camera) as opened:
        opened.get(*list(opened.caps().parameters)[:1])
        alone = _requests(opened, min(1.0, seconds / 5))
        before, cpu, began = opened.stats(), time.process_time(), time.monotonic()
        count, loaded = _stream(opened, seconds)
        wall = time.monotonic() - began
        share = (time.process_time() - cpu) / wall
        after = opened.stats()
        received = after["rx_bytes"] - before["rx_bytes"]
        about: dict[str, Any] = {
            "images_per_s": round(count / wall, 2),
            "bytes_per_s": round(received / wall),
            "baud": opened.baud,
            "line_used": None if opened.baud is None else round(received / wall / (opened.baud / 10), 4),
            "request_ms": _quantiles(alone),
            "request_ms_under_load": _quantiles(loaded),
            "clock_uncertainty_us": opened.time_offset().uncertainty_ns // 1000,
            "core_share": round(share, 4),
            "lost": {name: after.get(name, 0) - before.get(name, 0) for name in LOSSES},
        }
    click.echo(json.dumps(about, indent=2))


class Counted:
    """What came since the line before."""

    def __init__(self, camera: VlpCamera) -> None:
        self._camera = camera
        self._stats = dict(camera.stats())
        self._images = 0
        self._since = time.monotonic()

    def watch(self, seconds: float, images: bool) -> None:
        """Take what comes for a while; messages are shown at once."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if images:
                self._images += self._camera.frame(min(left, 0.1)) is not None
            else:
                time.sleep(min(left, 0.1))
            for notice in self._camera.take_notices():
                about = {key: value for key, value in asdict(notice).items() if value not in ("", {})}
                click.echo(f"{type(notice).__name__} {about}")

    def line(self) -> str:
        """Rates and losses since the last time."""
        now, stats = time.monotonic(), dict(self._camera.stats())
        span = now - self._since
        grown = {name: stats[name] - self._stats.get(name, 0) for name in stats}
        lost = ", ".join(f"{name} {grown[name]}" for name in LOSSES if grown.get(name))
        text = (
            f"{'up' if self._camera.is_up else 'DOWN':4} {self._images / span:6.1f} images/s "
            f"{grown['rx_bytes'] / span / 1000:8.1f} kB/s in {grown['tx_bytes'] / span / 1000:8.1f} kB/s out"
        )
        self._stats, self._images, self._since = stats, 0, now
        return f"{text}  {lost}" if lost else text


def _open(address: str) -> VlpCamera:
    camera = open_camera(address)
    if not isinstance(camera, VlpCamera):
        camera.close()
        raise NotSupportedError(f"{address} is no camera that speaks VLP")
    return camera


def _requests(camera: VlpCamera, seconds: float) -> list[float]:
    """Times in ms that reading a parameter takes."""
    name = next(iter(camera.caps().parameters))
    found, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        camera.get(name)
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(0.005)
    return found


def _stream(camera: VlpCamera, seconds: float) -> tuple[int, list[float]]:
    """Images that came, and how long requests took meanwhile."""
    name = next(iter(camera.caps().parameters))
    times: list[float] = []
    until = time.monotonic() + seconds
    for count, _ in enumerate(camera.frames(max(2.0, seconds)), 1):
        began = time.perf_counter()
        camera.get(name)
        times.append((time.perf_counter() - began) * 1000)
        if time.monotonic() >= until:
            return count, times
    raise LinkTimeoutError(f"{camera.name} sends no images")


def _quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2),
    }
