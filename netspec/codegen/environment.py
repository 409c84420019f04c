"""Settings of numba: those with which kernels cannot run are answered in a sentence.

numba reads NUMBA_... variables, `.numba_config.yaml` in the current folder, and what a program writes into
`numba.config`. The command line takes all variables but those of threads away before numba is loaded (`cli/app.py`). In
a user's own process numba is theirs: what changes machine code is part of the cache's key (`settings`), and what breaks
kernels is refused here. The module itself is free of numba, so that it can look before numba does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from netspec.core.errors import MachineError

MOST_THREADS = 1024
"""More threads than that are a slip of the keyboard: starting them would take the machine down."""
_FILE = ".numba_config.yaml"
_QUIET = ("CUDA_", "COLOR_", "NUMBA_", "THREADING_", "CACHE_", "GDB_", "MACHINE_", "IS_")
"""Beginnings of the names in `numba.config` that say nothing about machine code: `NUMBA_NUM_THREADS` among them."""


class SettingError(MachineError):
    """A setting of numba or of the CPU keeps kernels from being compiled or run."""

    code = "NS404"


def load() -> None:
    """Import numba, if nobody did before. Raises SettingError where it cannot be imported or cannot run kernels."""
    number_of("NUMBA_NUM_THREADS", range(1, MOST_THREADS + 1))
    if "numba" not in sys.modules and Path(_FILE).is_file():
        raise SettingError(
            f"'{_FILE}' in the folder '{os.getcwd()}' sets options of numba, which would change kernels or break them",
            help="move it away, or start in another folder",
        )
    try:
        import numba  # noqa: F401
    except Exception as error:  # whatever a broken setting or installation leads to
        raise SettingError(f"numba cannot be loaded: {error}", help=_help()) from None
    check()


def check() -> None:
    """Look at numba's settings, which a program may change at any time. Raises SettingError."""
    import numba

    try:
        numba.config.reload_config()  # as numba itself does before it compiles
    except Exception as error:  # a broken file or value
        raise SettingError(f"numba cannot read its settings: {error}", help=_help()) from None
    if numba.config.DISABLE_JIT:
        raise SettingError(
            "numba is told to compile nothing, and netspec's kernels are compiled code",
            help="unset NUMBA_DISABLE_JIT, or set numba.config.DISABLE_JIT to 0, and start again",
        )
    missing = _missing(numba.config.CPU_FEATURES or "")
    if missing:
        raise SettingError(
            f"NUMBA_CPU_FEATURES asks for {', '.join(missing)}, which this CPU does not have",
            help="unset NUMBA_CPU_FEATURES",
        )


def _missing(features: str) -> list[str]:
    """Features in a list `+avx,-sse4` that are wanted, and that the host does not have."""
    from netspec.codegen import cpu

    host = cpu.features() if features else {}
    wanted = (one.strip() for one in features.split(","))
    return [one[1:] for one in wanted if one.startswith("+") and not host.get(one[1:])]


def settings() -> list[tuple[str, str]]:
    """All settings of numba that may change machine code, by name."""
    import numba

    values: dict[str, Any] = vars(numba.config)
    names = sorted(name for name in values if name.isupper() and not name.startswith(_QUIET))
    return [(name, repr(values[name])) for name in names]


def number_of(name: str, allowed: Collection[int]) -> int | None:
    """The number in an environment variable, None where it is unset. Raises SettingError where it is none of these."""
    text = os.environ.get(name)
    if not text:
        return None
    if text.strip().isdecimal() and int(text) in allowed:
        return int(text)
    numbers = f"{min(allowed)} to {max(allowed)}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
    raise SettingError(f"{name} is '{text}', none of the numbers {numbers}", help=f"unset {name}")


def _help() -> str:
    given = [f"{name} is '{value}'" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    return f"{', '.join(given)}: unset what does not belong there" if given else "is numba installed as a whole?"
