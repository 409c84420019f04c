"""The machine as netspec finds it: CPU, threads, memory, cache of kernels, libraries; and what is wrong with it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netspec.core.cores import cores
from netspec.core.errors import Caution, NetspecError

LIBRARIES = ("numpy", "numba", "llvmlite", "pydantic", "pyyaml", "safetensors", "typer", "rich", "pillow")
"""Libraries that netspec always needs."""
EXTRAS = {
    "matplotlib": "plot",
    "jinja2": "report",
    "resvg_py": "draw",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "h5py": "hdf5",
    "lmdb": "lmdb",
    "pyarrow": "table",
    "tensorboardX": "tensorboard",
}
"""Modules of optional libraries, and the extras that bring them."""
VECTORS = {"avx512f": 64, "avx2": 32, "sve": 16, "neon": 16}
"""Sets of vector instructions, and the bytes of a vector."""
LEAST_MEMORY = 2**29
"""Bytes of free memory below which trainings are likely to fail."""


class FewThreadsWarning(Caution):
    """Kernels use fewer cores than the machine has."""

    code = "NS851"


class UnkeptKernelsWarning(Caution):
    """Compiled kernels cannot be kept, so that every start compiles them anew."""

    code = "NS852"


class LimitedCpuWarning(Caution):
    """A container may use less time of CPUs than netspec has threads for."""

    code = "NS853"


class NarrowVectorsWarning(Caution):
    """Kernels are told to use narrower vectors than the CPU has."""

    code = "NS854"


class LittleMemoryWarning(Caution):
    """There is hardly any memory free."""

    code = "NS855"


@dataclass(frozen=True)
class Machine:
    """Facts by group and name, as plain values; None where the system does not tell. And what is wrong."""

    facts: Mapping[str, Mapping[str, Any]]
    findings: tuple[NetspecError, ...]


def machine(root: Path = Path("/")) -> Machine:
    """The machine; `root` is where the files of its system lie."""
    facts: dict[str, dict[str, Any]] = {
        "netspec": {"version": _version("netspec"), "python": platform.python_version(), "executable": sys.executable},
        "system": {"platform": platform.platform(), "container": _container(root)},
        "cpu": _cpu(root),
        "memory": _memory(root),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "optional": {name: _version(name) if find_spec(name) else None for name in EXTRAS},
        "variables": _variables(),
    }
    try:
        facts |= _kernels()
    except NetspecError as error:  # a numba that cannot be loaded is what is to be found out
        return Machine(facts, (error, *findings(facts)))
    return Machine(facts, tuple(findings(facts)))


def _cpu(root: Path) -> dict[str, Any]:
    import psutil

    governor = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "model": _model(root) or platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(logical=False),
        "logical": psutil.cpu_count(),
        "usable": cores(),
        "limit": _cpu_limit(root),
        "governor": governor,
        "load": None if load is None else round(load, 2),
    }


def _model(root: Path) -> str | None:
    lines = (_read(root / "proc/cpuinfo") or "").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, None)


def _memory(root: Path) -> dict[str, Any]:
    import psutil

    memory = psutil.virtual_memory()
    return {"bytes": memory.total, "free": memory.available, "limit": _memory_limit(root)}


def _kernels() -> dict[str, dict[str, Any]]:
    """What compiles kernels and runs them. Raises SettingError."""
    from netspec.codegen import environment

    environment.load()
    from netspec.codegen import cache, cpu, driver, simd

    folder = cache.cache_folder()
    files = list(folder.glob(f"*{cache.ENDING}")) if folder.is_dir() else []
    return {
        "kernels": {
            "target": cpu.cpu_name(),
            "vector_bytes": simd.BYTES,
            "vector_sets": [name for name in VECTORS if cpu.features().get(name)],
            "threads": driver.most_threads(),
            "threading": "netspec's own",
            "libgomp": _libgomp(),
            "blas": _blas(),
        },
        "cache": {
            "folder": str(folder),
            "kernels": len(files),
            "bytes": sum(one.stat().st_size for one in files),
            "refused": cache.refusal(),
        },
    }


def _libgomp() -> bool:
    """Whether GNU's OpenMP is there, which numba's layer `omp` needs; netspec does not."""
    from ctypes.util import find_library

    return find_library("gomp") is not None


def _blas() -> str | None:
    """NumPy's library for products of matrices, which KFAC, LBFGS, Newton and `baseline` use."""
    import numpy  # noqa: F401 (its BLAS must be there)
    from threadpoolctl import threadpool_info

    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    words = ("internal_api", "version", "architecture")
    return " ".join(str(found[0][word]) for word in words if found[0].get(word)) if found else None


def findings(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[NetspecError]:
    """What keeps trainings from running well, and what to do about it."""
    cpu, kernels, memory = facts["cpu"], facts.get("kernels", {}), facts["memory"]
    threads = kernels.get("threads", 1)
    if kernels and threads < cpu["usable"]:
        text = f"kernels run on {threads} of {cpu['usable']} cores"
        yield FewThreadsWarning(text, help="unset NUMBA_NUM_THREADS, or set it to the number of cores")
    elif kernels and cpu["usable"] < (cpu["logical"] or 1):
        text = f"this process may use {cpu['usable']} of {cpu['logical']} cores"
        yield FewThreadsWarning(text, help="taskset, a batch system or a container says so: ask it for more cores")
    if cpu["limit"] is not None and cpu["limit"] < threads:
        text = f"the container may use {cpu['limit']:.3g} CPUs' time, and kernels run on {threads} threads"
        help = f"say --threads {max(1, int(cpu['limit']))}: threads that wait for their share slow the others down"
        yield LimitedCpuWarning(text, help=help)
    widest = max((VECTORS[name] for name in kernels.get("vector_sets", ())), default=0)
    if kernels and kernels["vector_bytes"] < widest:
        text = f"kernels use vectors of {kernels['vector_bytes']} bytes, and the CPU has {widest}"
        yield NarrowVectorsWarning(text, help="unset NETSPEC_VECTOR_BYTES")
    if refused := facts.get("cache", {}).get("refused"):
        yield UnkeptKernelsWarning(refused, help="say NETSPEC_CACHE_DIR=FOLDER, a folder that you may write")
    free = min(memory["free"], memory["limit"] or memory["free"])
    if free < LEAST_MEMORY:
        yield LittleMemoryWarning(f"only {free / 2**20:,.0f} MiB of memory are free", help="end other programs")


def _variables() -> dict[str, str]:
    """The environment's variables that change how netspec runs."""
    heads = ("NETSPEC_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_")
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(heads)}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _container(root: Path) -> bool:
    return (root / ".dockerenv").exists() or (root / "run/.containerenv").exists()


def _cpu_limit(root: Path) -> float | None:
    """How many CPUs' time a control group leaves to the process, by the tightest of those that it is in."""
    limits = []
    for text in _group_files(root, "cpu.max"):
        quota, _, period = text.partition(" ")
        if quota.isdecimal() and period.strip().isdecimal():
            limits.append(int(quota) / int(period))
    quota, period = (_read(root / f"sys/fs/cgroup/cpu/cpu.cfs_{word}_us") or "" for word in ("quota", "period"))
    if quota.isdecimal() and period.isdecimal():  # version 1; -1 where there is no limit
        limits.append(int(quota) / int(period))
    return min(limits, default=None)


def _memory_limit(root: Path) -> int | None:
    """The bytes that a control group leaves to the process."""
    texts = [*_group_files(root, "memory.max"), _read(root / "sys/fs/cgroup/memory/memory.limit_in_bytes") or ""]
    limits = [int(text) for text in texts if text.isdecimal() and int(text) < 2**60]
    return min(limits, default=None)


def _group_files(root: Path, name: str) -> Iterator[str]:
    """The texts of a file of the process's control group (version 2) and of all above it."""
    lines = (_read(root / "proc/self/cgroup") or "0::/").splitlines()
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
    top = root / "sys/fs/cgroup"
    folder = top / own.strip("/")
    for each in (folder, *folder.parents):
        if (text := _read(each / name)) is not None:
            yield text
        if each == top:
            return


def _read(path: Path) -> str | None:
    """The text of a small file of the system, if it can be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
