"""Provenance: what config.yaml and env.json of a run folder say of a training."""

from __future__ import annotations

import platform
import sys
import time
from importlib import metadata
from typing import Any

from netspec.core import code_files
from netspec.core.locate import RUN_CONFIG, whole
from netspec.core.outputs import WriteError
from netspec.language.document import dump
from netspec.training.job import Job
from netspec.training.recorded import literal


def config(job: Job) -> str:
    """The resolved solver with its net inside and absolute paths, as YAML for `netspec train` in any folder.

    Raises WriteError for a path that is no text.
    """
    values = job.with_paths(lambda path: _text(whole(job.base, path)))
    values = {key: value for key, value in values.items() if key != "reached"}  # of another run
    return "# Written by netspec: the solver with its net, overrides applied and variables replaced.\n" + dump(
        literal(values)
    )


def _text(path: str) -> str:
    """A path that YAML can hold. Raises WriteError."""
    try:
        path.encode()
    except UnicodeEncodeError:
        text = f"{RUN_CONFIG} cannot hold the path {path!r}, which is not UTF-8"
        raise WriteError(text, help="give the file or folder another name") from None
    return path


def environment(job: Job, threads: int, data: list[str]) -> dict[str, Any]:
    """The environment of a run: versions, CPU, threads, data, and the score that it is judged by."""
    import psutil

    from netspec.codegen.cpu import cpu_name

    names = ("netspec", "numpy", "numba", "llvmlite", "pydantic", "safetensors")
    return {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: metadata.version(name) for name in names},
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": threads,
        "data": data,
        "net": job.net.name,
        **_judged(job),
        **({"code": code} if (code := code_files.recorded()) else {}),
    }


def _judged(job: Job) -> dict[str, str]:
    """The score that a training is judged by, and whether its best value is the highest or the lowest."""
    found = job.watch.metric
    return {} if found is None else {"metric": found.name, "mode": "max" if found.higher else "min"}
