"""The host's CPU, as LLVM knows it."""

from __future__ import annotations

import llvmlite.binding as llvm


def cpu_name() -> str:
    """LLVM's name for the host's kind of CPU, like znver4."""
    return str(llvm.get_host_cpu_name())


def system() -> str:
    """The version of LLVM, and the kind of system that it compiles for."""
    return f"{'.'.join(map(str, llvm.llvm_version_info))} {llvm.get_process_triple()}"


def features() -> dict[str, bool]:
    """Which sets of instructions the host has, like avx2; none on a system that does not tell, as macOS on ARM."""
    try:
        return dict(llvm.get_host_cpu_features())
    except RuntimeError:
        return {}
