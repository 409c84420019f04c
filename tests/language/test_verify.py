"""The verifier of flat documents: each invariant catches a planted mistake; a flat document expands to itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from netspec.core import locate
from netspec.core.nodes import Document, Mapping, Scalar, Sequence
from netspec.core.places import Place
from netspec.core.verify import InvariantError
from netspec.language import expand as expansion
from netspec.language.document import from_python, parse
from netspec.language.expand import expand
from netspec.language.extend import open_spec
from netspec.language.scopes import Wrong
from netspec.language.verify import verify_flat
from netspec.language.write import write
from tests.helpers.language import Net, nets

TEXT = """
name: small $$1
vars: {width: 4}
layers:
  - {name: data, type: Input, shape: [2, 3]}
  - {name: ip, type: InnerProduct, num_output: $width}
"""


def flat() -> Document:
    return expand(parse(TEXT, "small.yaml"))


def with_item(document: Document, key: str, value: Any) -> Document:
    root = document.root
    node = value if isinstance(value, (Scalar, Mapping, Sequence)) else from_python({key: value}, "x").root.items[key]
    return replace(document, root=root.with_item(key, node, root.at))


def with_layer(document: Document, **fields: Any) -> Document:
    layers = document.root.items["layers"]
    assert isinstance(layers, Sequence)
    last = layers.items[-1]
    assert isinstance(last, Mapping)
    for key, value in fields.items():
        last = last.with_item(key, Scalar(value, last.at), last.at)
    return with_item(document, "layers", replace(layers, items=(*layers.items[:-1], last)))


def displaced(document: Document, **changes: int) -> Document:
    name = document.root.items["name"]
    return with_item(document, "name", replace(name, at=replace(name.at, **changes)))


def keyless(document: Document) -> Document:
    return replace(document, root=replace(document.root, keys={}))


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (lambda d: with_item(d, "vars", {"width": 4}), "still holds vars"),
        (lambda d: with_item(d, "blocks", {}), "still holds blocks"),
        (lambda d: with_item(d, "defaults", {}), "still holds defaults"),
        (lambda d: with_item(d, "extends", "lenet"), "still holds extends"),
        (lambda d: with_layer(d, block="unit"), "layer 'ip': still holds block"),
        (lambda d: with_layer(d, repeat=2, when=True), "layer 'ip': still holds repeat, when"),
        (lambda d: with_layer(d, insert_after="data"), "layer 'ip': still holds insert_after"),
        (
            lambda d: with_item(d, "cite", Wrong(None, d.root.at)),
            "a value that could not be worked out, at small.yaml:2:1",
        ),
        (
            lambda d: with_item(d, "cite", Scalar("$width", Place(parse("a: b", "t").source, 1, 1))),
            r"holds '\$width', at t",
        ),
        (keyless, "has keys without a place"),
        (lambda d: displaced(d, line=0), "a value without a place, in 'small.yaml'"),
        (lambda d: displaced(d, line=99), "a value at line 99 of 'small.yaml', which ends before"),
    ],
)
def test_catches(plant: Callable[[Document], Document], said: str) -> None:
    verify_flat(flat())
    with pytest.raises(InvariantError, match=f"^flat Document 'small.yaml': .*{said}"):
        verify_flat(plant(flat()))


def test_a_solvers_net_stays_apart() -> None:
    text = "net: {vars: {n: 3}, layers: [{name: $n, block: b, repeat: 2}]}\nbase_lr: 0.1\n"
    verify_flat(expand(parse(text, "solver.yaml"), apart="net"), "net")
    with pytest.raises(InvariantError, match="still holds"):
        verify_flat(expand(parse(text, "solver.yaml"), apart="net"), "base_lr")


def test_expanding_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion._Expander, "root", lambda self, root, apart: root)
    with pytest.raises(InvariantError, match="still holds vars"):
        flat()
    monkeypatch.setenv("NETSPEC_VERIFY", "0")
    assert "vars" in flat().root.items


def same(one: Document) -> None:
    again = expand(parse(write(one), "again"))
    assert again.plain() == one.plain()


@pytest.mark.parametrize("name", locate.names("models"))
def test_every_net_of_the_zoo_is_flat_once_it_is_expanded(name: str) -> None:
    same(expand(open_spec(name, "models")))


@given(nets())
def test_random_nets_are_flat_once_they_are_expanded(net: Net) -> None:
    same(expand(from_python(net, "<net>")))
