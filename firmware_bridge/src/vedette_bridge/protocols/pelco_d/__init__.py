"""Pelco-D: 7-byte commands for cameras that pan, tilt and zoom, mostly on RS-485."""

from vedette_bridge.drivers import DriverSpec
from vedette_bridge.protocols.pelco_d.camera import PelcoOptions, open_pelco_d
from vedette_bridge.protocols.pelco_d.emulator import EmulatorOptions, build_emulator

DRIVER = DriverSpec(
    name="pelco_d",
    summary="Pelco-D cameras that pan, tilt and zoom: RS-485, RS-422 or TCP.",
    open=open_pelco_d,
    options=PelcoOptions,
    emulate=build_emulator,
    emulator_options=EmulatorOptions,
    example="pelco_d:///dev/ttyUSB0?address=1&baud=2400",
)
