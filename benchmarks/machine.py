"""What the numbers were measured on: the processor, its limit, and the versions."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("peak.cpp")
SCALARS = {"float32": "float", "float64": "double"}
# Widest first: the first that the processor has is what limits it.
LEVELS = (("x86-64-v4", "avx512f"), ("x86-64-v3", "avx2"), ("x86-64-v2", "sse4_2"))


def processor() -> dict[str, Any]:
    """The processor's name, cores, caches and x86-64 level, from Linux's own files."""
    fields: dict[str, str] = {}
    for line in _read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", "").split()
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        if _read(index / "type") != "Instruction":
            caches[f"L{_read(index / 'level')}"] = _read(index / "size")
    return {
        "model": fields.get("model name", platform.processor()),
        "family": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "cores": len(os.sched_getaffinity(0)),
        "level": next((level for level, flag in LEVELS if flag in flags), platform.machine()),
        "caches": caches,
        "load": os.getloadavg()[0],
    }


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def software() -> dict[str, str]:
    return {"python": platform.python_version(), "kernel": platform.release()}


def peaks(dtypes: list[str], threads: list[int]) -> dict[str, dict[str, float]] | None:
    """GFLOP/s of fused multiply-adds on registers, by dtype and thread count.

    None without a C++ compiler: the table then has no % of peak.
    """
    compiler = os.environ.get("CXX", "c++")
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for dtype in dtypes:
            program = os.path.join(folder, dtype)
            command = [compiler, "-O3", "-march=native", "-std=c++17", "-pthread"]
            command += [f"-DSCALAR={SCALARS[dtype]}", str(SOURCE), "-o", program]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                return None
            found[dtype] = {}
            for n in threads:
                run = subprocess.run([program, str(n)], check=True, capture_output=True, text=True)
                found[dtype][str(n)] = float(run.stdout)
    return found
