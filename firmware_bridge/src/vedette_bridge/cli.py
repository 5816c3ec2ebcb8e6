"""``vedette bridge``: talk to cameras, and emulate them."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import click

from vedette_bridge.camera import CameraFrame, Value
from vedette_bridge.cli_link import bench, monitor, pair
from vedette_bridge.drivers import build_emulator, load_drivers, open_camera
from vedette_bridge.emulation import Host, PtyHost, SerialHost, TcpHost, UdpHost
from vedette_bridge.errors import LinkTimeoutError, ParameterError
from vedette_bridge.ptz import Drive, Home, MoveBy, MoveTo, Preset, Stop
from vedette_bridge.translation import translated

CAMERA = click.argument("camera")
TIMEOUT = click.option("--timeout", "timeout_s", default=5.0, show_default=True, help="Seconds to wait.")


class BridgeGroup(click.Group):
    """Shows errors of the bridge as ``vedette`` shows its own."""

    def invoke(self, ctx: click.Context) -> Any:
        with translated():
            return super().invoke(ctx)


@click.group(cls=BridgeGroup)
def bridge() -> None:
    """Talk to cameras over their own protocols.

    CAMERA is an address such as vlp:///dev/ttyACM0?baud=3000000 or visca://10.0.0.5; `vedette bridge drivers` has one
    example for each protocol.
    """


for command in (monitor, pair, bench):
    bridge.add_command(command)


@bridge.command()
def drivers() -> None:
    """List the protocols that can be spoken, and those that cannot with the reason."""
    for name, state in load_drivers().items():
        carrier = f"{state.distribution} {state.version}"
        if state.spec is None:
            click.echo(f"{name:10} failed  {carrier}: {state.reason}")
        else:
            click.echo(f"{name:10} {state.spec.summary} [{carrier}]\n{'':10} e.g. {state.spec.example}")


@bridge.command()
@click.option("--protocol", required=True, help="A name from `vedette bridge drivers`.")
@click.option("--pty", "place", flag_value="pty", default="pty", help="Be a serial port (the default).")
@click.option("--link", type=click.Path(path_type=Path), help="A second name for the port, a symbolic link.")
@click.option("--port", help="Be at the far end of this serial port.")
@click.option(
    "--tcp", "tcp_port", type=click.IntRange(0, 65535), help="Listen on this TCP port; 0: any free one."
)
@click.option(
    "--udp", "udp_port", type=click.IntRange(0, 65535), help="Listen on this UDP port; 0: any free one."
)
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen for TCP and UDP.")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Of this emulator; several times."
)
def emulate(
    protocol: str,
    place: str,
    link: Path | None,
    port: str | None,
    tcp_port: int | None,
    udp_port: int | None,
    address: str,
    options: tuple[str, ...],
) -> None:
    """Be a camera to practise on, until Ctrl-C. The first line of output says where it can be reached."""
    if sum(given is not None for given in (tcp_port, udp_port, port)) > 1:
        raise click.UsageError("give one of --tcp, --udp and --port")
    device = build_emulator(protocol, _pairs(options), datagrams=udp_port is not None)
    host: Host
    if tcp_port is not None:
        host = TcpHost(device, tcp_port, address)
    elif udp_port is not None:
        host = UdpHost(device, udp_port, address)
    elif port is not None:
        host = SerialHost(device, port)
    else:
        host = PtyHost(device, link)
    with host:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: host.stop())
        click.echo(host.place)
        host.serve()


@bridge.command()
@CAMERA
def probe(camera: str) -> None:
    """Say what a camera is and can do, as JSON."""
    with open_camera(camera) as opened:
        caps = opened.caps()
        about = {
            "name": opened.name,
            **{key: getattr(caps, key) for key in ("driver", "vendor", "model", "serial", "firmware")},
            "methods": sorted(caps.methods),
            "parameters": {
                name: {
                    key: getattr(parameter, key)
                    for key in ("unit", "readable", "writable", "minimum", "maximum", "choices")
                }
                for name, parameter in caps.parameters.items()
            },
            "formats": caps.formats,
            "extra": dict(caps.extra),
            "stats": dict(opened.stats()),
        }
    click.echo(json.dumps(about, indent=2, default=str))


@bridge.command()
@CAMERA
@click.argument("names", nargs=-1)
def get(camera: str, names: tuple[str, ...]) -> None:
    """Show parameters of a camera; without NAMES, all of them."""
    with open_camera(camera) as opened:
        for name, value in opened.get(*names).items():
            click.echo(f"{name} = {_text(value)}")


@bridge.command()
@CAMERA
@click.argument("settings", nargs=-1, required=True, metavar="NAME=VALUE...")
def set(camera: str, settings: tuple[str, ...]) -> None:
    """Set parameters of a camera, in this order, and show what it took.

    A VALUE that reads as a number is one; several with commas between are a tuple (roi=0,0,640,480).
    """
    values = {name: parse_value(text) for name, text in _pairs(settings).items()}
    with open_camera(camera) as opened:
        for name, value in opened.set(**values).items():
            click.echo(f"{name} = {_text(value)}")


@bridge.command()
@CAMERA
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--trigger", is_flag=True, help="Ask the camera to take an image first.")
@TIMEOUT
def snapshot(camera: str, path: Path, trigger: bool, timeout_s: float) -> None:
    """Write the next image of a camera to a file, as the camera sent it."""
    with open_camera(camera) as opened:
        if trigger:
            opened.trigger()
        frames = opened.frames(timeout_s)
        frame = next(frames, None)
    if frame is None:
        raise LinkTimeoutError(f"{camera}: no image came")
    path.write_bytes(frame.data)
    click.echo(f"{path}: {describe(frame)}")


@bridge.group()
def ptz() -> None:
    """Move a camera. Angles are degrees, zoom and focus 0..1, speeds -1..1."""


@ptz.command(name="to")
@CAMERA
@click.option("--pan", type=float)
@click.option("--tilt", type=float)
@click.option("--zoom", type=float)
@click.option("--focus", type=float)
@click.option("--speed", default=1.0, show_default=True)
@TIMEOUT
def ptz_to(
    camera: str,
    pan: float | None,
    tilt: float | None,
    zoom: float | None,
    focus: float | None,
    speed: float,
    timeout_s: float,
) -> None:
    """Go to a position; what is not given stays."""
    command = MoveTo(pan_deg=pan, tilt_deg=tilt, zoom=zoom, focus=focus, speed=speed)
    with open_camera(camera) as opened:
        opened.ptz(command).wait(timeout_s)


@ptz.command(name="by")
@CAMERA
@click.option("--pan", default=0.0)
@click.option("--tilt", default=0.0)
@click.option("--speed", default=1.0, show_default=True)
@TIMEOUT
def ptz_by(camera: str, pan: float, tilt: float, speed: float, timeout_s: float) -> None:
    """Turn by an angle."""
    with open_camera(camera) as opened:
        opened.ptz(MoveBy(pan_deg=pan, tilt_deg=tilt, speed=speed)).wait(timeout_s)


@ptz.command(name="drive")
@CAMERA
@click.option("--pan", type=float)
@click.option("--tilt", type=float)
@click.option("--zoom", type=float)
@click.option("--focus", type=float)
@click.option("--seconds", default=1.0, show_default=True, help="Then stop.")
def ptz_drive(
    camera: str,
    pan: float | None,
    tilt: float | None,
    zoom: float | None,
    focus: float | None,
    seconds: float,
) -> None:
    """Move at a speed for some time."""
    moving = {"pan": pan, "tilt": tilt, "zoom": zoom, "focus": focus}
    with open_camera(camera) as opened:
        opened.ptz(Drive(**moving))
        try:
            time.sleep(seconds)
        finally:
            opened.ptz(Drive(**{axis: 0.0 for axis, speed in moving.items() if speed is not None}))


@ptz.command(name="stop")
@CAMERA
def ptz_stop(camera: str) -> None:
    """Stop every axis."""
    with open_camera(camera) as opened:
        opened.ptz(Stop())


@ptz.command(name="home")
@CAMERA
@TIMEOUT
def ptz_home(camera: str, timeout_s: float) -> None:
    """Go to the home position."""
    with open_camera(camera) as opened:
        opened.ptz(Home()).wait(timeout_s)


@ptz.command(name="preset")
@CAMERA
@click.argument("action", type=click.Choice(["save", "recall", "clear"]))
@click.argument("number", type=int)
@TIMEOUT
def ptz_preset(camera: str, action: Any, number: int, timeout_s: float) -> None:
    """Save, recall or clear position NUMBER."""
    with open_camera(camera) as opened:
        opened.ptz(Preset(action, number)).wait(timeout_s)


@ptz.command(name="where")
@CAMERA
def ptz_where(camera: str) -> None:
    """Say where the camera looks, as JSON."""
    with open_camera(camera) as opened:
        at = opened.ptz_position()
    keys = ("pan_deg", "tilt_deg", "zoom", "focus")
    click.echo(json.dumps({key: getattr(at, key) for key in keys}))


def parse_value(text: str) -> Value:
    """A value as it is written on a command line.

    >>> parse_value("8000"), parse_value("2.5"), parse_value("0,0,640,480"), parse_value("on")
    (8000, 2.5, (0, 0, 640, 480), 'on')
    """
    if re.fullmatch(r"-?\d+(,-?\d+)+", text):
        return tuple(int(word) for word in text.split(","))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def describe(frame: CameraFrame) -> str:
    """One line about an image."""
    w, h = frame.size_wh
    size = f"{w} x {h}, " if w else ""
    return f"{frame.fourcc.strip()}, {size}{len(frame.data)} bytes, image {frame.image_id}"


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise ParameterError(f"{name!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _text(value: Value) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
