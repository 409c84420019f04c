"""The walk through the pages of an LMDB against its own library, and pages that are damaged in every way."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from netspec.formats.files import FileError, WrongFormatError, WrongSizeError
from netspec.formats.lmdb import open_lmdb
from tests.helpers.mutations import seeds

lmdb = pytest.importorskip("lmdb")
PAGE = 4096


def write(path: Path, records: dict[bytes, bytes], **how: object) -> bytes:
    with lmdb.open(str(path), map_size=1 << 24, subdir=False, lock=False, **how) as database:
        for part in range(3):  # several transactions: pages are freed and used again
            with database.begin(write=True) as turn:
                for key, value in list(records.items())[part::3]:
                    turn.put(key, value)
        with database.begin(write=True) as turn:
            turn.put(b"gone", b"x" * 9000)
            turn.delete(b"gone")
    return path.read_bytes()


def records(number: int) -> dict[bytes, bytes]:
    draw = random.Random(1)
    sizes = (0, 1, 70, 1900, 2040, 4080, 4081, 9000)
    return {b"%06d" % (i * 7919 % 10007): draw.randbytes(sizes[i % len(sizes)]) for i in range(number)}


@pytest.mark.parametrize("number", [1, 2, 400])
def test_keys_and_values_are_those_of_the_library(tmp_path: Path, number: int) -> None:
    path, wanted = tmp_path / "data.mdb", records(number)
    write(path, wanted)
    database = open_lmdb(tmp_path)
    assert [database.key(i) for i in range(len(database))] == sorted(wanted)
    assert database.values(range(number)) == [wanted[key] for key in sorted(wanted)]
    assert database.values([number - 1, 0]) == [wanted[max(wanted)], wanted[min(wanted)]]


def test_an_empty_database_has_no_records(tmp_path: Path) -> None:
    write(tmp_path / "data.mdb", {})
    assert len(open_lmdb(tmp_path)) == 0


def branch_and_leaf(raw: bytes) -> tuple[int, int, int]:
    """The pages of the root, which is a branch, of a leaf, and of a large value."""
    flags = {number: struct.unpack_from("<H", raw, number * PAGE + 10)[0] for number in range(2, len(raw) // PAGE)}
    metas = [struct.unpack_from("<QQQ", raw, at * PAGE + 16 + 24 + 48 + 40) for at in (0, 1)]
    root = max(metas, key=lambda meta: meta[2])[0]
    assert flags[root] == 1
    place = struct.unpack_from("<H", raw, root * PAGE + 16)[0]
    low, high = struct.unpack_from("<HH", raw, root * PAGE + place)
    leaf = low | high << 16
    assert flags[leaf] == 2
    return root, leaf, min(number for number, flag in flags.items() if flag == 4)


@pytest.mark.parametrize(
    ("page", "offset", "form", "value", "said"),
    [
        ("root", 0, "<Q", 1, "is no page of keys with this number"),
        ("root", 10, "<H", 4, "is no page of keys with this number"),
        ("root", 12, "<H", 4098, "has entries outside it"),
        ("root", 16, "<H", 4095, "has an entry outside it, 4,095 bytes on"),
        ("root", "<first>", "<I", 2**31, "does not exist"),
        ("root", "<first>", "<I", "root", "is reached though all pages have been seen"),
        ("leaf", 0, "<Q", 3, "is no page of keys with this number"),
        ("leaf", "<key>", "<H", 5000, "has an entry outside it"),
        (
            "leaf",
            "<size>",
            "<H",
            60000,
            "a value of [0-9,]+ bytes (on pages that do not exist|that does not end in it)",
        ),
    ],
)
def test_a_damaged_page_is_named(
    tmp_path: Path, page: str, offset: int | str, form: str, value: int | str, said: str
) -> None:
    path = tmp_path / "data.mdb"
    raw = bytearray(write(path, records(400)))
    root, leaf, _ = branch_and_leaf(raw)
    start = {"root": root, "leaf": leaf}[page] * PAGE
    entry = struct.unpack_from("<H", raw, start + 16)[0]
    places = {"<first>": entry, "<size>": entry + 2, "<flags>": entry + 4, "<key>": entry + 6}
    at = start + (places[offset] if isinstance(offset, str) else offset)
    struct.pack_into(form, raw, at, root if isinstance(value, str) else value)
    path.write_bytes(raw)
    with pytest.raises(WrongFormatError, match=rf"is a damaged LMDB: page [\d,]+, at byte [\d,]+, .*({said})"):
        open_lmdb(path)


def test_another_tree_in_place_of_a_value(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    raw = bytearray(write(path, records(400)))
    start = branch_and_leaf(raw)[1] * PAGE
    struct.pack_into("<H", raw, start + struct.unpack_from("<H", raw, start + 16)[0] + 4, 2)
    path.write_bytes(raw)
    with pytest.raises(WrongFormatError, match="holds databases by name or several values for a key"):
        open_lmdb(path)


def test_a_value_that_is_not_where_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    raw = bytearray(write(path, {b"key": bytes(9000)}))
    large = next(at for at in range(2, 9) if struct.unpack_from("<H", raw, at * PAGE + 10)[0] == 4)
    for number in range(large, len(raw) // PAGE):
        struct.pack_into("<H", raw, number * PAGE + 10, 2)
    path.write_bytes(raw)
    database = open_lmdb(path)
    with pytest.raises(WrongFormatError, match="the value of its key 'key' is not where it should be, at byte"):
        database.values([0])


def test_heads_that_describe_no_database(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    raw = write(path, records(400))
    for at, form, value, said in (
        (16, "<I", 7, "at byte 0 there is no page that describes one"),
        (PAGE + 16, "<I", 7, "at byte 4,096 there is no page that describes one"),
        (20, "<I", 2, "is an LMDB of version 2"),
        (16 + 24, "<I", 4097, "at byte 0 there is no page that describes one"),
    ):
        damaged = bytearray(raw)
        struct.pack_into(form, damaged, at, value)
        path.write_bytes(damaged)
        with pytest.raises(WrongFormatError, match=said):
            open_lmdb(path)
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(WrongSizeError, match=r"should hold [0-9,]+ bytes for its pages up to \d+, but it ends after"):
        open_lmdb(path)
    path.write_bytes(raw[:200])
    with pytest.raises(WrongFormatError, match="it ends after 200 bytes"):
        open_lmdb(path)


def test_several_values_for_a_key_are_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "data.mdb"), subdir=False, lock=False, max_dbs=1) as database:
        database.open_db(b"named")
    with pytest.raises(WrongFormatError, match="databases by name"):
        open_lmdb(tmp_path)


def test_mutations_are_read_or_refused(tmp_path: Path) -> None:
    """Bytes of heads, of entries and of anything; cut files."""
    path, draw = tmp_path / "data.mdb", random.Random(3)
    raw = write(path, records(200))
    refused = 0
    for _ in seeds(60):
        damaged = bytearray(raw)
        for _ in range(draw.choice((1, 1, 3, 20))):
            place = draw.choice((draw.randrange(16), draw.randrange(16, 120), draw.randrange(PAGE)))
            damaged[draw.randrange(len(raw) // PAGE) * PAGE + place] = draw.choice((0, 255, draw.randrange(256)))
        path.write_bytes(damaged[: draw.randrange(len(raw))] if draw.random() < 0.2 else damaged)
        try:
            database = open_lmdb(path)
            database.values(range(len(database)))
        except FileError:
            refused += 1
    assert refused > len(seeds(60)) / 5
