"""What a command says on standard error."""

from __future__ import annotations


def quiet(err: str) -> bool:
    """Whether nothing stands there but which kernels were compiled: a cold cache says so."""
    return all(line.startswith(("compiling kernels", "compiled ")) for line in err.splitlines())
