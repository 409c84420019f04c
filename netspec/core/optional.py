"""Optional libraries: those of an extra, imported where they are used, or missed in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from netspec.core.errors import UsageError


class NoLibraryError(UsageError):
    """Something was asked for that needs a library which cannot be used: it is not installed, or does not import."""

    code = "NS563"


def library(module: str, extra: str, wanted: str, instead: str = "") -> Any:
    """The module of an optional library, imported: `library("pyarrow.csv", "table", "Parquet")`.

    `extra` is the extra of netspec that brings the library, `wanted` names what needs it, and `instead` says what can
    be done without. Raises NoLibraryError.
    """
    try:
        return import_module(module)
    except Exception as error:  # a library beside one that does not fit it raises errors of any type
        name = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        why = "is not installed" if missing else f"cannot be imported: {error}"
        install = f"`pip install '.[{extra}]'` in netspec's folder, or `pip install {name}`"
        raise NoLibraryError(
            f"{wanted} needs the library {name}, which {why}", help=f"{install}{f'; {instead}' if instead else ''}"
        ) from None
