"""Settings of numba and OpenMP with which kernels cannot run: each is a sentence that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest

from netspec.codegen import environment
from netspec.codegen.environment import SettingError


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    environment._try_threads.cache_clear()
    yield
    environment._try_threads.cache_clear()


def said(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(numba.config, name, value)
    with pytest.raises(SettingError) as caught:
        environment.check()
    return str(caught.value)


def test_settings_of_a_running_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.load()
    environment.check()
    assert "unset NUMBA_DISABLE_JIT" in said("DISABLE_JIT", 1, monkeypatch)
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    assert "asks for quantum, which this CPU does not have" in said("CPU_FEATURES", "+quantum,-avx", monkeypatch)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "-avx512f")
    environment.check()


def test_a_settings_file_that_numba_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def reload() -> None:
        raise ValueError("while parsing a block mapping")

    monkeypatch.setattr(numba.config, "reload_config", reload)
    monkeypatch.setenv("NUMBA_OPT", "3")
    with pytest.raises(SettingError, match="while parsing a block mapping") as caught:
        environment.check()
    assert caught.value.help is not None and "NUMBA_OPT is '3'" in caught.value.help


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "1025", "99999999999999999999", "٢ ٣"])
def test_a_number_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", value)
    with pytest.raises(SettingError) as caught:
        environment.load()
    assert caught.value.message == f"NUMBA_NUM_THREADS is '{value}', none of the numbers 1 to 1024"
    assert caught.value.exit_code == 9


def test_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, number in (("", None), ("16", 16), (" 64 ", 64)):
        monkeypatch.setenv("NETSPEC_VECTOR_BYTES", text)
        assert environment.number_of("NETSPEC_VECTOR_BYTES", (16, 32, 64)) == number
    monkeypatch.setenv("NETSPEC_VECTOR_BYTES", "17")
    with pytest.raises(SettingError, match="none of the numbers 16, 32, 64"):
        environment.number_of("NETSPEC_VECTOR_BYTES", (16, 32, 64))


def test_a_threading_layer_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "THREADING_LAYER", "tbb")
    monkeypatch.setenv("NUMBA_THREADING_LAYER", "tbb")
    with pytest.raises(SettingError) as caught, environment.starting_threads(2):
        raise ValueError("No threading layer could be loaded.\nHINT:\nIntel TBB is required")
    assert "the threading layer 'tbb': No threading layer could be loaded. HINT: Intel TBB" in caught.value.message
    assert caught.value.help is not None and "NUMBA_THREADING_LAYER is 'tbb'" in caught.value.help


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("", []), ("0 3", [0, 3]), ("1-3,7", [1, 2, 3, 7]), ("0-6:3", [0, 3, 6]), ("junk", []), ("0-2:0", [0, 1, 2])],
)
def test_lists_of_cpus(text: str, cpus: list[int]) -> None:
    assert environment._cpus(text) == cpus


def test_a_cpu_that_this_process_may_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not bind processes to CPUs")
    mine = sorted(os.sched_getaffinity(0))
    monkeypatch.setenv("GOMP_CPU_AFFINITY", f"{mine[0]} 1000")
    with environment.starting_threads(1):  # the second CPU is nobody's
        pass
    with pytest.raises(SettingError, match=r"GOMP_CPU_AFFINITY is '\d+ 1000'"), environment.starting_threads(2):
        pass


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("100", 102400), ("2 M", 2**21), ("3g", 3 * 2**30), ("77b", 77), ("x", 0)]
)
def test_sizes_of_stacks(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_STACKSIZE", text)
    assert environment._stack_bytes() == size


def test_threads_that_do_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    def start(self: object) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)

    monkeypatch.setattr("threading.Thread.start", start)
    with environment.starting_threads(2):
        pass
    started.clear()
    with pytest.raises(SettingError, match="does not start 3 threads"), environment.starting_threads(3):
        pass


NEW = """
import netspec
try:
    netspec.Net("lenet", batch=2)
except netspec.NetspecError as error:
    print(error.code, error.message)
"""


@pytest.mark.parametrize(
    ("first", "variables", "file", "wanted"),
    [
        ("import numba\n", {"NUMBA_DISABLE_JIT": "1"}, None, "told to compile nothing"),
        ("", {"NUMBA_THREADING_LAYER": "nothing"}, None, "the threading layer 'nothing'"),
        ("", {"NUMBA_FUNCTION_CACHE_SIZE": "-1"}, None, "numba cannot be loaded"),
        ("import numba\n", {}, "disable_jit: 1", "told to compile nothing"),
        ("", {}, "[broken", "sets options of numba"),
    ],
)
def test_a_program_of_the_users_gets_a_sentence(
    first: str, variables: dict[str, str], file: str | None, wanted: str, tmp_path: Path
) -> None:
    if file is not None:
        (tmp_path / ".numba_config.yaml").write_text(file)
    root = str(Path(__file__).parents[2])
    given = {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    done = subprocess.run(
        [sys.executable, "-c", first + NEW],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | given | variables,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("NS404 ") and wanted in done.stdout
