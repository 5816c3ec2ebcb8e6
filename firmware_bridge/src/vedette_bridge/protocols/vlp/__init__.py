"""VLP, the Vedette link protocol: cameras whose firmware is made for it (``PROTOCOL.md``)."""

from __future__ import annotations

from vedette_bridge.drivers import DriverSpec
from vedette_bridge.protocols.vlp.camera import VlpOptions, open_vlp
from vedette_bridge.protocols.vlp.emulator import EmulatorOptions, build_emulator

DRIVER = DriverSpec(
    name="vlp",
    summary="Cameras with Vedette's own link in their firmware: images, results, triggers, parameters.",
    open=open_vlp,
    options=VlpOptions,
    emulate=build_emulator,
    emulator_options=EmulatorOptions,
    example="vlp:///dev/ttyACM0?baud=3000000",
)
