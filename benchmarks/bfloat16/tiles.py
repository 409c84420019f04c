"""Products of bfloat16 with float32 sums, in the CPU's own instructions: AMX's tiles, or AVX512_BF16's pairs.

C (32, 32) += A (32, k) B (k, 32). A's rows hold k numbers; B lies in panels of 16 columns, (k/2, 16, 2): two
consecutive numbers of a column side by side, which is what both sets of instructions take. Needs Linux on x86.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from netspec.codegen.cpu import features
from netspec.codegen.kernel import helper
from netspec.codegen.simd import intrinsic_of

SIDE = 32
"""Rows and columns of a block; k is a multiple of it."""
ROWS = 8
"""Rows of C whose sums are in registers at once, of two vectors each, without tiles."""
_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18


@cache
def amx_allowed() -> bool:
    """Whether the CPU shows tiles of bfloat16 and Linux grants this process their registers: asked once a process."""
    if not features().get("amx-bf16") or platform.system() != "Linux":
        return False
    return ctypes.CDLL(None, use_errno=True).syscall(_ARCH_PRCTL, _REQUEST, _TILE_DATA) == 0


def pairs_allowed() -> bool:
    """Whether the CPU has vdpbf16ps."""
    return bool(features().get("avx512bf16"))


def _assembly(lines: Sequence[str], registers: dict[str, str], lost: Sequence[str] = ()) -> Any:
    """An intrinsic of assembly: an int64 argument for each name of `registers`, all of which it may change."""
    llvm.initialize_native_asmparser()
    word, count = ir.IntType(64), len(registers)
    outs = [f"=&{{{register}}}" for register in registers.values()]
    constraint = ",".join([*outs, *map(str, range(count)), *(f"~{{{name}}}" for name in lost), "~{memory}", "~{cc}"])
    result = ir.LiteralStructType([word] * count) if count > 1 else word

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(result, [word] * count)
        builder.call(ir.InlineAsm(kind, "\n".join(lines), constraint, side_effect=True), args)
        return context.get_dummy_value()

    return intrinsic_of(tuple(registers), generate)


_SUMS = [f"%zmm{i}" for i in range(2 * ROWS)]
_FROM = ("(%rcx)", "(%rcx,%r8)", "(%rcx,%r8,2)", "(%rcx,%r9)", "(%rdi)", "(%rdi,%r8)", "(%rdi,%r8,2)", "(%rdi,%r9)")
_pairs = _assembly(
    [
        *(f"vpxord {total},{total},{total}" for total in _SUMS),
        "1:",
        "vmovups (%rdx),%zmm30",
        "vmovups (%rsi),%zmm31",
        *(
            line
            for row, place in enumerate(_FROM)
            for line in (
                f"vbroadcastss {place},%zmm{28 + row % 2}",
                f"vdpbf16ps %zmm30,%zmm{28 + row % 2},{_SUMS[2 * row]}",
                f"vdpbf16ps %zmm31,%zmm{28 + row % 2},{_SUMS[2 * row + 1]}",
            )
        ),
        *(f"addq $${step},{place}" for step, place in ((4, "%rcx"), (4, "%rdi"), (64, "%rdx"), (64, "%rsi"))),
        "decq %rax",
        "jnz 1b",
        *(
            line
            for row in range(ROWS)
            for line in (
                f"vaddps (%rbx),{_SUMS[2 * row]},{_SUMS[2 * row]}",
                f"vaddps 64(%rbx),{_SUMS[2 * row + 1]},{_SUMS[2 * row + 1]}",
                f"vmovups {_SUMS[2 * row]},(%rbx)",
                f"vmovups {_SUMS[2 * row + 1]},64(%rbx)",
                "addq %r10,%rbx",
            )
        ),
    ],
    {
        "pairs": "rax",
        "a": "rcx",
        "a_below": "rdi",
        "b": "rdx",
        "b_next": "rsi",
        "c": "rbx",
        "pitch": "r8",
        "thrice": "r9",
        "c_pitch": "r10",
    },
    [*(total[1:] for total in _SUMS), "zmm28", "zmm29", "zmm30", "zmm31"],
)

_CONFIG = np.zeros(64, np.uint8)  # palette 1; tiles 0 to 7 are 16 rows (bytes 48 to 55) of 64 bytes (words 16 to 31)
_CONFIG[0], _CONFIG[16:32:2], _CONFIG[48:56] = 1, 64, 16
_configure = _assembly(["ldtilecfg (%rax)"], {"config": "rax"})
_release = _assembly(["tilerelease"], {"nothing": "rax"})
_tiles = _assembly(
    [
        "tileloadd (%rbx,%r10),%tmm0",
        "tileloadd 64(%rbx,%r10),%tmm1",
        "tileloadd (%r11,%r10),%tmm2",
        "tileloadd 64(%r11,%r10),%tmm3",
        "1:",
        "tileloadd (%rcx,%r8),%tmm4",
        "tileloadd (%rdx,%r9),%tmm5",
        "tileloadd (%rdi,%r8),%tmm6",
        "tileloadd (%rsi,%r9),%tmm7",
        "tdpbf16ps %tmm5,%tmm4,%tmm0",
        "tdpbf16ps %tmm7,%tmm4,%tmm1",
        "tdpbf16ps %tmm5,%tmm6,%tmm2",
        "tdpbf16ps %tmm7,%tmm6,%tmm3",
        *(f"addq $${step},{place}" for step, place in ((64, "%rcx"), (64, "%rdi"), (1024, "%rdx"), (1024, "%rsi"))),
        "decq %rax",
        "jnz 1b",
        "tilestored %tmm0,(%rbx,%r10)",
        "tilestored %tmm1,64(%rbx,%r10)",
        "tilestored %tmm2,(%r11,%r10)",
        "tilestored %tmm3,64(%r11,%r10)",
    ],
    {
        "deep": "rax",
        "a": "rcx",
        "a_below": "rdi",
        "b": "rdx",
        "b_next": "rsi",
        "c": "rbx",
        "c_below": "r11",
        "pitch": "r8",
        "b_pitch": "r9",
        "c_pitch": "r10",
    },
)


@helper
def add_by_pairs(k: int, a: int, pitch: int, b: int, c: int, c_pitch: int) -> None:
    """C (32, 32) += A (32, k) B by AVX512_BF16. Addresses, and pitches in bytes."""
    for row in range(0, SIDE, ROWS):
        above = a + row * pitch
        _pairs(k // 2, above, above + 4 * pitch, b, b + 32 * k, c + row * c_pitch, pitch, 3 * pitch, c_pitch)


@helper
def add_by_tiles(k: int, a: int, pitch: int, b: int, c: int, c_pitch: int) -> None:
    """C (32, 32) += A (32, k) B by AMX, between `begin_tiles` and `end_tiles`. Addresses, and pitches in bytes."""
    below = c + 16 * c_pitch
    _tiles(k // 32, a, a + 16 * pitch, b, b + 32 * k, c, below, pitch, 64, c_pitch)


@helper
def begin_tiles(config: int) -> None:
    """Configure the calling thread's tiles."""
    _configure(config)


@helper
def end_tiles(config: int) -> None:
    """Give them back."""
    _release(config)


@helper
def begin_pairs(config: int) -> None:
    """Nothing: vectors need no preparation."""


WAYS = {"AVX512_BF16": (add_by_pairs, begin_pairs, begin_pairs), "AMX": (add_by_tiles, begin_tiles, end_tiles)}
"""How a block of a product is added, and what stands before and behind many of them, by the instructions' name."""


def usable() -> list[str]:
    """The names of WAYS that work here."""
    return [name for name, allowed in (("AVX512_BF16", pairs_allowed()), ("AMX", amx_allowed())) if allowed]


def config() -> int:
    """The address of the tiles' configuration."""
    return int(_CONFIG.ctypes.data)
