"""The machine: facts from the files of a system, and what is found fault with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from netspec.codegen import cache, driver, environment, simd
from netspec.core.errors import NetspecError
from netspec.study import machine as module
from netspec.study.machine import machine


def files(root: Path, texts: Mapping[str, str]) -> Path:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def codes(findings: tuple[NetspecError, ...]) -> list[str]:
    return [each.code for each in findings]


def test_facts_of_this_machine() -> None:
    one = machine()
    kernels = one.facts["kernels"]
    assert kernels["vector_bytes"] == simd.BYTES and kernels["threads"] == driver.most_threads()
    assert one.facts["memory"]["bytes"] == psutil.virtual_memory().total
    assert one.facts["cache"]["folder"] == str(cache.cache_folder()) and one.facts["cache"]["refused"] is None
    assert one.facts["libraries"]["numba"] and "openblas" in kernels["blas"]
    assert {"NS852", "NS855"}.isdisjoint(codes(one.findings))


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    facts = machine(tmp_path).facts
    assert facts["cpu"]["limit"] is None and facts["memory"]["limit"] is None and facts["cpu"]["governor"] is None
    assert not facts["system"]["container"] and facts["cpu"]["model"]


def test_limits_of_a_control_group_and_of_those_above_it(tmp_path: Path) -> None:
    group = {
        "proc/self/cgroup": "0::/outer/inner\n",
        "proc/cpuinfo": "processor : 0\nmodel name\t: A CPU: fast\n",
        "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
        "sys/fs/cgroup/outer/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/outer/inner/memory.max": "max\n",
        "sys/fs/cgroup/outer/memory.max": str(2**34) + "\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        ".dockerenv": "",
    }
    one = machine(files(tmp_path, group))
    assert one.facts["cpu"]["limit"] == 0.5 and one.facts["memory"]["limit"] == 2**34
    assert one.facts["cpu"]["model"] == "A CPU: fast" and one.facts["cpu"]["governor"] == "powersave"
    limited = next(each for each in one.findings if each.code == "NS853")
    assert "0.5 CPUs' time" in limited.message and "--threads 1" in str(limited.help)


@pytest.mark.parametrize(("quota", "limit"), [("250000", 2.5), ("-1", None)])
def test_limits_of_control_groups_of_version_1(quota: str, limit: float | None, tmp_path: Path) -> None:
    group = {
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": quota,
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**28 if limit else 2**63 - 4096),
    }
    one = machine(files(tmp_path, group))
    assert one.facts["cpu"]["limit"] == limit and one.facts["memory"]["limit"] == (2**28 if limit else None)
    assert ("NS855" in codes(one.findings)) == (limit is not None)


def changed(facts: Mapping[str, Mapping[str, Any]], group: str, **values: Any) -> list[str]:
    found = module.findings(facts | {group: {**facts[group], **values}})
    return [each.code for each in found]


def test_findings_follow_from_the_facts() -> None:
    facts: dict[str, Mapping[str, Any]] = {
        "cpu": {"usable": 4, "logical": 4, "limit": None},
        "memory": {"free": 2**33, "limit": None},
        "kernels": {"threads": 4, "vector_bytes": 64, "vector_sets": ["avx512f", "avx2"]},
        "cache": {"refused": None},
    }
    assert list(module.findings(facts)) == []
    assert changed(facts, "kernels", threads=1) == ["NS851"]
    assert changed(facts, "cpu", logical=16) == ["NS851"]
    assert changed(facts, "cpu", limit=1.5) == ["NS853"] and changed(facts, "cpu", limit=4.0) == []
    assert changed(facts, "kernels", vector_bytes=16) == ["NS854"]
    assert changed(facts, "cache", refused="it is full") == ["NS852"]
    assert changed(facts, "memory", free=2**27) == ["NS855"] and changed(facts, "memory", limit=2**28) == ["NS855"]


def test_a_numba_that_cannot_be_loaded_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise environment.SettingError("numba cannot be loaded: no")

    monkeypatch.setattr(environment, "load", broken)
    one = machine()
    assert "NS404" in codes(one.findings) and "kernels" not in one.facts
