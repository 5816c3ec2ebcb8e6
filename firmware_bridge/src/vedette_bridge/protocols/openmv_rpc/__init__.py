"""OpenMV's RPC library: a camera whose script lets a computer call its functions."""

from vedette_bridge.drivers import DriverSpec
from vedette_bridge.protocols.openmv_rpc.camera import RpcOptions, open_openmv_rpc
from vedette_bridge.protocols.openmv_rpc.emulator import EmulatorOptions, build_emulator

DRIVER = DriverSpec(
    name="openmv",
    summary="OpenMV cameras by their RPC library; this side calls.",
    open=open_openmv_rpc,
    options=RpcOptions,
    emulate=build_emulator,
    emulator_options=EmulatorOptions,
    example="openmv:///dev/ttyACM0?framesize=VGA",
)
