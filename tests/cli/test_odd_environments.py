"""A training in random odd environments: it ends with the weights of an undisturbed one, or with a sentence."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.language.document import dump
from tests.helpers import ROOT
from tests.helpers.mutations import seeds

VALUES: dict[str, tuple[str, ...]] = {
    "NUMBA_DISABLE_JIT": ("1", "junk", ""),
    "NUMBA_OPT": ("0", "1", "max", "junk"),
    "NUMBA_BOUNDSCHECK": ("1",),
    "NUMBA_DEBUGINFO": ("1",),
    "NUMBA_CPU_NAME": ("generic", "junk"),
    "NUMBA_CPU_FEATURES": ("", "+avx512f", "junk"),
    "NUMBA_LOOP_VECTORIZE": ("0",),
    "NUMBA_SLP_VECTORIZE": ("1",),
    "NUMBA_ENABLE_AVX": ("0",),
    "NUMBA_DISABLE_INTEL_SVML": ("1",),
    "NUMBA_DUMP_IR": ("1",),
    "NUMBA_DUMP_ASSEMBLY": ("1",),
    "NUMBA_DEBUG": ("1",),
    "NUMBA_DEBUG_CACHE": ("1",),
    "NUMBA_TRACE": ("1",),
    "NUMBA_CHROME_TRACE": ("trace.json",),
    "NUMBA_CAPTURED_ERRORS": ("old_style", "junk"),
    "NUMBA_DEVELOPER_MODE": ("1",),
    "NUMBA_FULL_TRACEBACKS": ("1",),
    "NUMBA_COLOR_SCHEME": ("dark_bg", "junk"),
    "NUMBA_FUNCTION_CACHE_SIZE": ("0", "-1", "junk"),
    "NUMBA_CACHE_DIR": ("/proc/nope", "cache"),
    "NUMBA_CACHE_LOCATOR_CLASSES": ("junk", "os.path"),
    "NUMBA_ENABLE_CUDASIM": ("1",),
    "NUMBA_ENABLE_PROFILING": ("1",),
    "NUMBA_NRT_STATS": ("1",),
    "NUMBA_JIT_COVERAGE": ("1",),
    "NUMBA_PARALLEL_DIAGNOSTICS": ("4",),
    "NUMBA_NUM_THREADS": ("1", "2", "7", "0", "abc", "100000", ""),
    "NUMBA_THREADING_LAYER": ("workqueue", "omp", "tbb", "safe", "junk", ""),
    "NUMBA_THREADING_LAYER_PRIORITY": ("workqueue omp tbb", "junk"),
    "NUMBA_SOMETHING_NEW": ("1",),
    "NETSPEC_THREADS": ("1", "2", ""),
    "NETSPEC_VECTOR_BYTES": ("", "junk"),
    "OMP_NUM_THREADS": ("1", "0", "junk", "2,2"),
    "OMP_THREAD_LIMIT": ("1", "junk"),
    "OMP_DYNAMIC": ("true",),
    "OMP_MAX_ACTIVE_LEVELS": ("0",),
    "OMP_STACKSIZE": ("1k", "2M", "9999G", "junk"),
    "OMP_PROC_BIND": ("true", "junk"),
    "OMP_PLACES": ("cores", "{77}", "junk"),
    "OMP_WAIT_POLICY": ("active", "junk"),
    "GOMP_CPU_AFFINITY": ("0-7", "777", "junk"),
    "KMP_AFFINITY": ("junk",),
    "MKL_NUM_THREADS": ("0", "junk"),
    "OPENBLAS_NUM_THREADS": ("0", "1", "junk"),
    "LC_ALL": ("POSIX", "C.UTF-8", "xx_YY.junk", "tr_TR.UTF-8"),
    "PYTHONIOENCODING": ("ascii", "latin-1", "utf-16", "cp1252:strict"),
    "PYTHONUTF8": ("0", "1"),
    "PYTHONCOERCECLOCALE": ("0",),
    "PYTHONUNBUFFERED": ("1",),
    "PYTHONSAFEPATH": ("1",),
    "PYTHONHASHSEED": ("0", "77"),
    "PYTHONOPTIMIZE": ("2",),
    "TERM": ("", "dumb", "xterm-256color", "junk"),
    "FORCE_COLOR": ("1", ""),
    "NO_COLOR": ("1",),
    "CLICOLOR": ("0", "1"),
    "CLICOLOR_FORCE": ("1",),
    "COLUMNS": ("1", "20", "100000", "junk"),
    "LINES": ("0", "junk"),
    "TZ": ("junk",),
    "HOME": ("", "/nonexistent"),
    "XDG_CACHE_HOME": ("relative",),
}
ENDS = {"out": ("out", "&-", "/dev/full"), "err": ("err", "err", "&-", "/dev/full")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture
def trained(folder: Path, solver: Callable[..., dict[str, Any]]) -> bytes:
    """The weights of the undisturbed training, as the file of the snapshot."""
    path = folder / "plain/snapshots/iter_000006.safetensors"
    if not path.exists():
        (folder / "s.yaml").write_text(dump(solver(max_iter=6, display=2)))
        assert run(folder, "plain", {}, "", "") == (0, "")
    return path.read_bytes()


def run(folder: Path, name: str, variables: dict[str, str], out: str, err: str) -> tuple[int, str]:
    """(exit code, what was said) of a training in a process of its own."""
    given = {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    words = shlex.join([sys.executable, "-m", "netspec", "train", "s.yaml", "-q", "-o", name])
    ends = "".join(f" {number}>{end}" for number, end in ((1, out), (2, err)) if end)
    for file in ("out", "err"):
        (folder / file).unlink(missing_ok=True)
    done = subprocess.run(
        ["sh", "-c", f"exec {words}{ends}"],
        cwd=folder,
        env=os.environ | given | variables,
        capture_output=True,
        timeout=300,
        check=False,
    )
    texts = [
        done.stdout,
        done.stderr,
        *((folder / file).read_bytes() for file in ("out", "err") if (folder / file).exists()),
    ]
    return done.returncode, "".join(text.decode("utf-8", "replace") for text in texts)


@pytest.mark.skipif(os.name == "nt", reason="the shell's redirections are POSIX")
@pytest.mark.parametrize("seed", seeds(2))
def test_the_weights_are_those_of_any_other_day_or_a_sentence_says_why_not(
    seed: int, folder: Path, trained: bytes
) -> None:
    dice = random.Random(seed)
    variables = {name: dice.choice(VALUES[name]) for name in dice.sample(sorted(VALUES), dice.randint(1, 6))}
    out, err = dice.choice(ENDS["out"]), dice.choice(ENDS["err"])
    code, said = run(folder, f"run{seed}", variables, out, err)
    about = f"{variables} 1>{out} 2>{err}: exit {code}\n{said}"
    assert "Traceback" not in said, about
    if code == 0:
        assert (folder / f"run{seed}/snapshots/iter_000006.safetensors").read_bytes() == trained, about
    else:
        assert code == 9, about
        assert err != "err" or any(name in said for name in variables), about
