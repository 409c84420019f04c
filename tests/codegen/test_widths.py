"""The kernels at the vector widths of other CPUs: 16 bytes as on ARM, 32 as with AVX2."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from netspec.codegen import simd


@pytest.mark.slow
@pytest.mark.parametrize(("bytes", "registers"), [pytest.param(16, 32, marks=pytest.mark.long), (32, 16)])
def test_vectors_of_another_width_give_the_same(bytes: int, registers: int) -> None:
    if bytes >= simd.BYTES:
        pytest.skip("no narrower than the host's own")
    environment = os.environ | {"NETSPEC_VECTOR_BYTES": str(bytes)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.widths"], capture_output=True, text=True, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(bytes), str(registers), str(bytes // 4)]
