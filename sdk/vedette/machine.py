"""What this machine is: processor, its vector extensions, memory, operating system."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

NOTABLE = (
    *("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16"),
)
"""Extensions that decide which precision is fast: VNNI and dot products for int8, AMX and bf16 for bf16."""


def describe_machine() -> dict[str, Any]:
    """Plain values; what cannot be found out is ``None``."""
    cpuinfo = _read("/proc/cpuinfo")
    flags = set((_field(cpuinfo, "flags") or _field(cpuinfo, "Features") or "").split())
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "processor": _field(cpuinfo, "model name") or platform.processor() or None,
        "threads_usable": len(os.sched_getaffinity(0)),
        "threads_present": os.cpu_count(),
        "features": [name for name in NOTABLE if name in flags],
        "memory_mb": _memory_mb(_read("/proc/meminfo")),
    }


def _field(text: str, name: str) -> str | None:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _memory_mb(meminfo: str) -> int | None:
    total = _field(meminfo, "MemTotal")
    return int(total.split()[0]) // 1024 if total else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
