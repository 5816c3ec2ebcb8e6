"""OpenMV's protocol version 2, which its editor speaks: images, scripts, their output, and channels of their own."""

from vedette_bridge.drivers import DriverSpec
from vedette_bridge.protocols.openmv2.camera import OpenMv2Options, open_openmv2
from vedette_bridge.protocols.openmv2.emulator import EmulatorOptions, build_emulator

DRIVER = DriverSpec(
    name="openmv2",
    summary="OpenMV cameras by protocol version 2: images, scripts and what they print.",
    open=open_openmv2,
    options=OpenMv2Options,
    emulate=build_emulator,
    emulator_options=EmulatorOptions,
    example="openmv2:///dev/ttyACM0",
)
