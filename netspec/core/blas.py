"""The threads of NumPy's BLAS: on other numbers of them its products have other bits."""

from __future__ import annotations

from functools import cache
from typing import Any


def single_threaded() -> Any:
    """A limit of one thread from now on, until its `restore_original_limits`, or to the end of a `with` block."""
    return _pools().limit(limits=1, user_api="blas")


@cache
def _pools() -> Any:
    """The thread pools of the libraries that the process has loaded; finding them takes milliseconds."""
    import numpy  # noqa: F401 (its BLAS must be there)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
