"""Conditions of a measurement: the machine, its measured peak, the versions, the day."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.peak import LANES, peak


@dataclass(frozen=True)
class Machine:
    """The facts as plain values, and in one sentence."""

    facts: dict[str, Any]

    @property
    def peak(self) -> float:
        """Measured GFLOP/s of the threads in use."""
        return float(self.facts["peak_gflops"])

    @property
    def sentence(self) -> str:
        """The facts in words."""
        return results.sentence({"machine": self.facts, "rows": []})


def describe(threads: int) -> Machine:
    """This machine, today."""
    return Machine(
        {
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)),
            "threads": threads,
            "lanes": LANES,
            "peak_gflops": round(peak(threads), 1),
            "system": platform.platform(terse=True),
            "load": round(os.getloadavg()[0], 2),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("netspec", "numba", "numpy", "torch") if find_spec(name)},
            },
            "date": f"{datetime.date.today():%-d %B %Y}",
        }
    )


def _cpu() -> str:
    """The processor's name from Linux, with family and model, because some virtual machines name only a brand."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    said = dict(map(str.strip, line.split(":", 1)) for line in reversed(lines) if ":" in line)
    family = f" (family {said['cpu family']}, model {said['model']})" if "cpu family" in said else ""
    return said.get("model name", platform.processor()) + family
