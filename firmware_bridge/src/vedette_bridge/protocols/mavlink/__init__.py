"""MAVLink: cameras and gimbals of drones and robots. Needs the extra ``mavlink``; the emulator does not."""

from vedette_bridge.drivers import DriverSpec
from vedette_bridge.protocols.mavlink.camera import MavLinkOptions, open_mavlink
from vedette_bridge.protocols.mavlink.emulator import EmulatorOptions, build_emulator

DRIVER = DriverSpec(
    name="mavlink",
    summary="MAVLink cameras and gimbals: triggers, moves, zooms (extra: mavlink).",
    open=open_mavlink,
    options=MavLinkOptions,
    emulate=build_emulator,
    emulator_options=EmulatorOptions,
    example="mavlink:///dev/ttyUSB0?baud=57600",
)
