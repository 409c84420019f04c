"""Text to Document: whatever the bytes, a Document or a NetspecError; values and places are those that were written."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.core.errors import NetspecError, SpecError, render
from netspec.core.locate import bundled
from netspec.core.nodes import Document, Mapping, Node, Scalar, Sequence, locate
from netspec.core.places import SourceText, split_lines
from netspec.language.document import (
    DuplicateKeyError,
    EmptyDocumentError,
    SyntaxMistake,
    TooLargeError,
    UnsupportedYamlError,
    dump,
    from_python,
    parse,
    parse_value,
)
from netspec.language.files import UnreadableError, read
from netspec.language.plain import MAX_DEPTH
from netspec.net.load import load_net
from netspec.training.job import load_solver
from tests.helpers.pace import is_quick
from tests.helpers.plain import VALUES, frozen, types_of

PIECES = [
    *(
        " ",
        "  ",
        "\n",
        "\n  ",
        "\n- ",
        "- ",
        ": ",
        ":",
        ",",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "|",
        ">",
        "#",
        "?",
        "!",
        "!!str ",
        "!!int ",
        "%",
    ),
    *(
        "@",
        "`",
        "&a ",
        "*a",
        "*b",
        "<<",
        "---",
        "...",
        "\t",
        "\r",
        "\x85",
        "\u2028",
        "\ufeff",
        "\0",
        "\x07",
        "\ud800",
        "é",
        "画",
        "😀",
    ),
    *(
        "~",
        "null",
        "true",
        "1e-3",
        "0x1F",
        "0o17",
        ".inf",
        "-",
        "+",
        "9" * 50,
        "a",
        "layers",
        "name",
        "$x",
        "${x}",
        "$(1)",
        "\\",
        "\\x41",
    ),
]
SCRAPS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60)


@settings(max_examples=500)
@given(SCRAPS)
def test_any_text_is_a_document_or_an_error_with_a_place_in_it(text: str) -> None:
    try:
        document = parse(text, "x.yaml")
    except SpecError as error:
        lines = split_lines(text)
        for place in [error.at, *(place for _, place in error.related)]:
            assert place is not None
            assert place.line <= len(lines) + 1
            assert place.line == 0 or place.column <= len([*lines, ""][place.line - 1]) + 1
        assert error.message and error.message in render(error)
    else:
        assert isinstance(document, Document)


@settings(max_examples=200)
@given(content=st.binary(max_size=80) | SCRAPS.map(lambda text: text.encode(errors="replace")))
def test_any_file_is_a_document_or_an_error(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    try:
        assert isinstance(read(path), Document)
    except SpecError as error:
        assert render(error)


@settings(max_examples=400)
@given(VALUES)
def test_what_is_dumped_is_read_again(values: dict[str, Any]) -> None:
    again = parse(dump(values)).plain()
    assert again == frozen(values)
    assert types_of(again) == types_of(frozen(values))
    assert parse(dump(again)).plain() == again


@settings(max_examples=300)
@given(VALUES)
def test_the_place_of_every_scalar_holds_the_text_of_its_value(values: dict[str, Any]) -> None:
    document = parse(dump(values))
    for scalar in _scalars(document.root):
        line = document.source.line(scalar.at.line)
        text = line[scalar.at.column - 1 : scalar.at.column - 1 + scalar.at.length]
        whole = scalar.at.column - 1 + scalar.at.length < len(line)
        try:
            value = parse_value(text, SourceText("text", text), 1).plain()
        except SpecError:
            assert not whole  # a text that continues on the next line
            continue
        assert value == scalar.value or not whole
    for mapping in _mappings(document.root):
        for key, at in mapping.keys.items():
            text = document.source.line(at.line)[at.column - 1 : at.column - 1 + at.length]
            assert not re.fullmatch(r"\w+", key) or key in text


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    for item in _inside(node):
        yield from _scalars(item)


def _mappings(node: Node) -> Iterator[Mapping]:
    if isinstance(node, Mapping):
        yield node
    for item in _inside(node):
        yield from _mappings(item)


def _inside(node: Node) -> list[Node]:
    return (
        list(node.items.values())
        if isinstance(node, Mapping)
        else list(node.items)
        if isinstance(node, Sequence)
        else []
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            ("1e-3", 0.001),
            ("1E5", 1e5),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("-0.0", -0.0),
            ("1e", "1e"),
            ("1.2.3", "1.2.3"),
            (".", "."),
            ("-x", "-x"),
        ),
        *(
            ("no", "no"),
            ("yes", "yes"),
            ("on", "on"),
            ("y", "y"),
            ("true", True),
            ("True", True),
            ("FALSE", False),
            ("tRue", "tRue"),
        ),
        *(
            ("010", 10),
            ("-7", -7),
            ("+7", 7),
            ("0x1F", 31),
            ("0o17", 15),
            ("0b1", "0b1"),
            ("1_000", "1_000"),
            ("1:30", "1:30"),
            ("0x", "0x"),
        ),
        *(
            ("~", None),
            ("null", None),
            ("", None),
            ("NULL", None),
            ("nil", "nil"),
            (".inf", math.inf),
            ("-.INF", -math.inf),
            ("inf", "inf"),
        ),
        *(
            ("'1'", "1"),
            ('"no"', "no"),
            ("!!str 1", "1"),
            ("2001-01-01", "2001-01-01"),
            ("$x", "$x"),
            ("a b", "a b"),
            ("'it''s'", "it's"),
        ),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read_value = parse(f"a: {text}").plain()["a"]
    assert read_value == value and type(read_value) is type(value)


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(parse("a: .nan").plain()["a"])


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", DuplicateKeyError, (3, 1)),
        ("{a: 1, 'a': 2}", DuplicateKeyError, (1, 8)),
        ("", EmptyDocumentError, (0, 0)),
        ("# nothing\n", EmptyDocumentError, (0, 0)),
        ("[a]", EmptyDocumentError, (1, 1)),
        ("a: [1\nb: 2", SyntaxMistake, (2, 2)),
        ("a:\n\tb: 1", SyntaxMistake, (2, 1)),
        ("é: \0", SyntaxMistake, (1, 4)),
        ("é\u2028b: \0", SyntaxMistake, (2, 4)),
        ("a: *b", SyntaxMistake, (1, 4)),
        ("a: &b [*b]", SyntaxMistake, (1, 8)),
        ("a: !!python/name:os.system x", UnsupportedYamlError, (1, 4)),
        ("a: 1\n---\nb: 2", UnsupportedYamlError, (2, 1)),
        ("<<: {a: 1}", UnsupportedYamlError, (1, 1)),
        ("[a]: 1", UnsupportedYamlError, (1, 1)),
        ("~: 1", UnsupportedYamlError, (1, 1)),
        (f"a: {'1' * 41}", TooLargeError, (1, 4)),
        (f"a: {'[' * MAX_DEPTH}", TooLargeError, (1, 3 + MAX_DEPTH)),
    ],
)
def test_mistakes_have_their_code_and_place(text: str, kind: type[SpecError], place: tuple[int, int]) -> None:
    with pytest.raises(kind) as caught:
        parse(text)
    assert type(caught.value) is kind
    assert caught.value.at is not None and (caught.value.at.line, caught.value.at.column) == place


def test_aliases_are_bounded_in_number_and_depth() -> None:
    assert parse("a: &x [1, 2]\nb: *x\nc: {d: *x}").plain() == {"a": (1, 2), "b": (1, 2), "c": {"d": (1, 2)}}
    wide = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
    )
    deep = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, MAX_DEPTH + 5))
    for text in (wide, deep):
        with pytest.raises(TooLargeError):
            parse(text)


def test_lists_and_mappings_in_brackets_have_their_whole_length() -> None:
    document = parse("a: [1, 2]  # two\nb: {c: [\n  1]}\nd:\n  - e\n")
    lengths = {key: document.locate(key).length for key in ("a", "b", "d")}
    assert lengths == {"a": 6, "b": 5, "d": 1}


def test_item_0_of_a_single_value_is_the_value() -> None:
    document = parse("bottom: conv1\nparam: {lr_mult: x}\ntop: [a, b]")
    assert document.locate("bottom", 0) == document.locate("bottom")
    assert document.locate("param", 0, "lr_mult").column == 18
    assert document.locate("top", 1).column == 10
    assert locate(document.root, "param", 0, "lr_mult", key=True).column == 9
    assert document.locate("bottom", 1) == document.locate("bottom")


def test_a_place_with_tabs_and_wide_characters_has_its_caret_below_it() -> None:
    document = parse("画像: [é, x]")
    with pytest.raises(UnreadableError) as caught:
        raise UnreadableError("here", at=document.locate("画像", 1))
    assert str(caught.value).splitlines()[-2:] == ["1 | 画像: [é, x]", "  |           ^"]


def test_files_that_are_none_are_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "lenet.yaml").write_text("a: 1")
    (tmp_path / "big.yaml").write_bytes(b"#" * (2**24 + 1))
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: Mü\n".encode("latin-1"))
    cases = {
        "": "a directory",
        "lenet.yml": "did you mean 'lenet.yaml'",
        "no/x.yaml": "does not exist",
        "big.yaml": "larger than 16 MiB",
    }
    for name, words in cases.items():
        with pytest.raises(UnreadableError, match=words):
            read(tmp_path / name)
    with pytest.raises(UnreadableError) as caught:
        read(tmp_path / "latin.yaml")
    assert caught.value.at is not None and (caught.value.at.line, caught.value.at.column) == (2, 5)


def test_plain_values_that_yaml_does_not_know_are_refused() -> None:
    with pytest.raises(UnsupportedYamlError):
        from_python({"a": object()}, "<net>")


LENET = {"net": bundled("models") / "lenet.yaml", "solver": bundled("solvers") / "lenet.yaml"}
JUNK = [
    *(
        "",
        "-1",
        "0",
        "1e9",
        "99999999999",
        "1.5",
        "null",
        "[]",
        "{}",
        "$x",
        "conv1",
        "true",
        "'",
        '"',
        "[",
        "}",
        ":",
        "- ",
        "\t",
        "\n",
        "&a ",
    ),
    *(
        "*a",
        "TEST",
        "type",
        "ReLU",
        "data",
        ".inf",
        ".nan",
        "xavier",
        "{type: X}",
        "[[1], [2]]",
        "bottom: nothing",
        "\n\n",
        "  ",
        "é",
        "\0",
    ),
]


@pytest.mark.parametrize("kind", ["net", "solver"])
def test_a_mutated_lenet_is_sound_or_an_error(kind: str, tmp_path: Path) -> None:
    for folder in ("models", "solvers"):
        (tmp_path / folder).mkdir()
    (tmp_path / "models" / "lenet.yaml").write_bytes(LENET["net"].read_bytes())
    path = tmp_path / f"{'models' if kind == 'net' else 'solvers'}" / "mutated.yaml"
    text = LENET[kind].read_text(encoding="utf-8")
    chance = random.Random(kind)
    wrong = 0
    for _ in range(400):
        path.write_text(_mutated(text, chance), encoding="utf-8")
        try:
            if kind == "net":
                load_net(path)
            else:
                load_solver(path)
        except NetspecError as error:
            assert str(error) and all(isinstance(each, SpecError) and each.at is not None for each in error.errors())
            wrong += 1
    assert 150 < wrong < 400  # comments and names can be changed without harm


def _mutated(text: str, chance: random.Random) -> str:
    """The text with one or two lines or tokens deleted, doubled, exchanged or replaced."""
    for _ in range(chance.choice((1, 1, 2))):
        cut = chance.choice((r"(?<=\n)", r"(\s+|\b)"))
        parts = [part for part in re.split(cut, text) if part]
        i, j = chance.randrange(len(parts)), chance.randrange(len(parts))
        action = chance.randrange(4)
        if action == 0:
            del parts[i]
        elif action == 1:
            parts.insert(j, parts[i])
        elif action == 2:
            parts[i], parts[j] = parts[j], parts[i]
        else:
            parts[i] = chance.choice(JUNK)
        text = "".join(parts)
    return text


def _filled(head: str, row: str, size: int = 64 * 1024) -> str:
    rows, length = [head], len(head)
    while length < size:
        rows.append(row.replace("@", str(len(rows))))
        length += len(rows[-1])
    return "".join(rows)


DATA = "layers:\n  - {name: data, type: Input, shape: [1, 3, 8, 8]}\n"
LONG = {
    "brackets": "[" * 2**16,
    "braces": "{" * 2**16,
    "dashes": "- " * 2**15,
    "questions": "? " * 2**15,
    "colons": ": " * 2**15,
    "list": "layers: [" + "a, " * 21000 + "a]",
    "empty lists": "layers: [" + "[], " * 16000 + "[]]",
    "anchors": _filled("", "a@: &a@ v\n"),
    "aliases": "a: &x [1]\nlayers:\n" + "- *x\n" * 13000,
    "quotes": "a: '" + "''" * 2**15,
    "lines": "a: >\n" + " x\n\n" * 16000,
    "multi-line words": _filled("", "a@: 'x\n  y'\n"),
    "digits": "a: " + "9" * 2**16,
    "comments": "#" * 2**16,
    "breaks": "\u2028" * 20000,
    "layers": _filled(DATA, "  - {name: r@, type: ReLU}\n"),
    "unknown bottoms": _filled(DATA, "  - {name: r@, type: ReLU, bottom: x@}\n"),
    "bottoms from below": _filled(DATA, "  - {name: r@, type: ReLU, bottom: q@, top: q@@}\n"),
    "one top": _filled(DATA, "  - {name: r@, type: ReLU, bottom: data, top: r}\n"),
    "one name": _filled(DATA, "  - {name: r, type: ReLU}\n"),
    "unknown types": _filled(DATA, "  - {name: r@, type: RelU@}\n"),
    "unknown keys": _filled(DATA + "  - {name: r, type: ReLU", ", k@: 1") + "}",
    "unknown variables": _filled(_filled("vars:\n", "  b@: 1\n", 32000) + DATA, "  - {name: $r@, type: ReLU}\n"),
    "words for layers": DATA + "  - ReLU\n" * 7000,
    "zeros": "layers:\n  - {name: data, type: Input, shape: [" + "0, " * 20000 + "1]}\n",
    "axes": "layers:\n  - {name: data, type: Input, shape: [" + "2, " * 20000 + "1]}\n",
    "a long name": DATA + f"  - {{name: a, type: {'a' * 60000}}}\n",
    "a long bottom": DATA + f"  - {{name: a, type: ReLU, bottom: {'a' * 60000}}}\n",
}


@pytest.mark.parametrize("name", LONG)
def test_64_kilobytes_take_less_than_a_second(name: str) -> None:
    def read() -> None:
        try:
            load_net(parse(LONG[name], "long.yaml"))
        except NetspecError as error:
            assert str(error)

    assert is_quick(read, 1)
