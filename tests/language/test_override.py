"""Overrides: `null` drops a key that the file has, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.core.errors import NetspecError
from netspec.core.nodes import Mapping
from netspec.language.document import parse
from netspec.language.override import override, parse_override
from netspec.net.load import load_net

TEXT = """
vars: {classes: 10}
cite: someone
layers:
  - {name: data, type: Input, shape: [2, 3, 4, 5]}
  - {name: conv, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: {type: gaussian, std: 0.1}, pad: 1}
"""


def changed(text: str) -> dict[str, Any]:
    root = override(parse(TEXT).root, parse_override(text))
    assert isinstance(root, Mapping)
    return root.plain()


def conv(values: dict[str, Any]) -> dict[str, Any]:
    return dict(values["layers"][1])


def test_null_drops_a_key() -> None:
    assert "cite" not in changed("cite=null")
    assert conv(changed("layers.conv.pad=null")).keys() == conv(changed("cite=null")).keys() - {"pad"}
    assert conv(changed("layers.conv.weight_filler.std=null"))["weight_filler"] == {"type": "gaussian"}
    shapes = load_net(parse(TEXT).plain(), ["layers.conv.pad=null"])
    assert shapes.blobs[-1] == (2, 4, 2, 3)


@pytest.mark.parametrize("text", ["vars.classes=null", "layers.conv.pad=", "name=null", "layers.conv=null"])
def test_other_nulls_are_values(text: str) -> None:
    values = changed(text)
    *above, last = text.partition("=")[0].split(".")
    for step in above:
        values = values[step] if step != "conv" else values[1]  # type: ignore[index]
    assert (values[1] if last == "conv" else values[last]) is None  # type: ignore[index]


def test_a_typo_is_not_dropped_in_silence() -> None:
    with pytest.raises(NetspecError, match="no key `padd`"):
        load_net(parse(TEXT).plain(), ["layers.conv.padd=null"])


def test_names_that_two_layers_share_are_ambiguous() -> None:
    twice = TEXT.replace("[2, 3, 4, 5]}", "[2, 3, 4, 5], include: {phase: TRAIN}}") + (
        "  - {name: data, type: Input, shape: [1, 3, 4, 5], include: {phase: TEST}}\n"
    )
    for text in ("layers.data.shape=[1]", "layers.data.include=null"):
        with pytest.raises(NetspecError, match="2 entries are called 'data'") as caught:
            override(parse(twice).root, parse_override(text))
        assert [place.line for _, place in caught.value.related] == [5, 7]
    assert isinstance(override(parse(twice).root, parse_override("layers.conv.pad=2")), Mapping)
