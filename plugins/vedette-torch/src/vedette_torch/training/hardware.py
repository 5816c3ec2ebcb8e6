"""Where a training runs: nothing here changes its result beyond rounding."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import msgspec
from lightning_fabric import Fabric

from vedette.errors import VedetteError


class Hardware(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and how a training runs.

    Attributes
    ----------
    accelerator
        ``cpu``, ``cuda``, ``mps``, or ``auto``: the best there is.
    devices
        Processes, each with a GPU of its own where there are any. Under ``torchrun`` it decides, and this is not asked.
    workers
        Processes that load pictures, per process that trains; 0: it loads them itself.
    cache_mb
        Memory for pictures as loaded, before they are augmented, per process; beyond it they are read again in every
        epoch.
    checkpoint_s
        Seconds between checkpoints within an epoch; 0: after every step. There is one after every epoch, too.
    tensorboard
        Whether to write logs for TensorBoard as well.
    """

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, msgspec.Meta(ge=1)] = 1
    workers: Annotated[int, msgspec.Meta(ge=0)] = 0
    cache_mb: Annotated[int, msgspec.Meta(ge=0)] = 2048
    checkpoint_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    tensorboard: bool = False


def is_first_process() -> bool:
    """Whether this is the process that owns the run folder; known before processes have found each other."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK"))


def start_fabric(hardware: Hardware, precision: Literal["32", "bf16-mixed"], batch_size: int) -> Fabric:
    """Start the processes and let them find each other.

    Started by ``torchrun``, they are there; else this process runs the program again for each of the others.

    Raises
    ------
    VedetteError
        There is no such accelerator, or the batch cannot be shared evenly.
    """
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if under_torchrun else hardware.devices
    world = int(os.environ.get("WORLD_SIZE", "1")) if under_torchrun else hardware.devices
    if batch_size % world:
        raise VedetteError(
            f"a batch of {batch_size} cannot be shared evenly by {world} processes",
            fix=f"set batch_size to a multiple of {world}",
        )
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=local,
            num_nodes=world // local,
            strategy="ddp" if world > 1 else "auto",
            precision="32-true" if precision == "32" else precision,
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        raise VedetteError(f"cannot train on {hardware.accelerator}: {error}") from error
    return fabric
