"""Settings of numba with which kernels cannot run: each is a sentence that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from netspec.codegen import environment
from netspec.codegen.environment import SettingError


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
