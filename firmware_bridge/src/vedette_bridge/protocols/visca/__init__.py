"""VISCA: Sony's protocol for cameras that pan, tilt and zoom, spoken by many makers; on serial lines and over IP."""

from __future__ import annotations

from vedette_bridge.drivers import DriverSpec
from vedette_bridge.protocols.visca.camera import ViscaOptions, open_visca
from vedette_bridge.protocols.visca.emulator import EmulatorOptions, build_emulator

DRIVER = DriverSpec(
    name="visca",
    summary="VISCA cameras that pan, tilt and zoom: RS-232/422, TCP, or VISCA over IP (UDP).",
    open=open_visca,
    options=ViscaOptions,
    emulate=build_emulator,
    emulator_options=EmulatorOptions,
    example="visca:///dev/ttyUSB0?address=1",
)
