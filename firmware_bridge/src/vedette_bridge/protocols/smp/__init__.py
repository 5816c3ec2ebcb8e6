"""SMP, Zephyr's management protocol: is the device there, and its firmware update. Needs the extra ``smp``."""

from vedette_bridge.drivers import DriverSpec
from vedette_bridge.protocols.smp.camera import SmpOptions, open_smp
from vedette_bridge.protocols.smp.emulator import EmulatorOptions, build_emulator

DRIVER = DriverSpec(
    name="smp",
    summary="Firmware of Zephyr and MCUboot devices: echo, upload, reset (extra: smp).",
    open=open_smp,
    options=SmpOptions,
    emulate=build_emulator,
    emulator_options=EmulatorOptions,
    example="smp:///dev/ttyACM0",
)
