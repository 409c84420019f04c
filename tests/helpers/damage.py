"""Damage to a file: by name, and chosen at random."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, random.Random], None]


def emptied(path: Path, dice: random.Random) -> None:
    path.write_bytes(b"")


def cut(path: Path, dice: random.Random) -> None:
    os.truncate(path, dice.randrange(path.stat().st_size))


def grown(path: Path, dice: random.Random) -> None:
    with path.open("ab") as file:
        file.write(dice.randbytes(dice.randint(1, 5000)))


def flipped(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def noise(path: Path, dice: random.Random) -> None:
    path.write_bytes(dice.randbytes(path.stat().st_size))


def noise_within(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    first = dice.randrange(len(content))
    content[first : first + 300] = dice.randbytes(len(content[first : first + 300]))
    path.write_bytes(content)


def swapped(path: Path, dice: random.Random) -> None:
    others = sorted(other for other in path.parent.iterdir() if other.is_file() and other != path)
    if others:
        path.write_bytes(dice.choice(others).read_bytes())
    else:
        noise(path, dice)


def deleted(path: Path, dice: random.Random) -> None:
    path.unlink()


def folder(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.mkdir()


def full_folder(path: Path, dice: random.Random) -> None:
    folder(path, dice)
    (path / "something").touch()


def circle(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def dangling(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def endless(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def pipe(path: Path, dice: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def unreadable(path: Path, dice: random.Random) -> None:
    path.chmod(0)  # root reads it all the same


DAMAGES: tuple[Damage, ...] = (
    emptied,
    cut,
    grown,
    flipped,
    noise,
    noise_within,
    swapped,
    deleted,
    folder,
    full_folder,
    circle,
    dangling,
    endless,
    pipe,
    unreadable,
)


def mutated(raw: bytes, draw: random.Random) -> bytes:
    """Bytes changed, left out, put in and copied elsewhere; and the end cut off."""
    data, how = bytearray(raw), draw.random()
    for _ in range(draw.choice((1, 1, 2, 5, 30))):
        at = draw.randrange(len(data))
        if how < 0.6:
            data[at] = draw.choice((0, 255, 127, 128, data[at] ^ 1 << draw.randrange(8), draw.randrange(256)))
        elif how < 0.75:
            del data[at : at + draw.randrange(1, 40)]
        elif how < 0.9:
            data[at:at] = draw.randbytes(draw.randrange(1, 12))
        else:
            size, other = draw.randrange(1, 200), draw.randrange(len(data))
            data[at : at + size] = data[other : other + size]
        data = data or bytearray(1)
    return bytes(data[: draw.randrange(1, len(data) + 1)] if draw.random() < 0.15 else data)
