"""Every layer type of Caffe and of its well-known forks, with all of their fields, becomes a sound net of netspec."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.core.errors import NetspecError
from netspec.formats.caffe_messages import fields
from netspec.layers.base import LAYERS
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.prototxt.fields import FORK_MESSAGES, IDLE, MESSAGES, PLAIN_TYPES, RENAMED
from netspec.prototxt.forks import FORKS
from tests.prototxt.cases import CASES, UNREAD, Case

TEXTS = "".join((*(case.text for case in CASES), *UNREAD))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text.strip().replace(" ", ""))
def test_a_layer_becomes_a_sound_net(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(case.net)
    for phase in ("TRAIN", "TEST"):
        shaped = load_net(path, state=State(phase))
        assert shaped.graph.sound and shaped.graph.nodes


def test_every_type_and_every_field_has_a_case() -> None:
    for word in {*MESSAGES, *PLAIN_TYPES, *FORK_MESSAGES, *FORKS} - {"Input"}:
        assert f'type: "{word}"' in TEXTS, word
    message_of = {name: field.type for name, field in fields("LayerParameter").items() if field.is_message}
    for word, names in MESSAGES.items():
        own = " ".join(line for line in TEXTS.splitlines() if f'type: "{word}"' in line)
        if word in {"Input", "ImageData", "WindowData"}:
            names = names[:1] if word != "Input" else ()  # transform_param is Data's
        for name in names:
            missing = [x for x, field in fields(message_of[name]).items() if not field.fork and f"{x}:" not in own]
            assert {x for x in missing if f"{x} {{" not in own} == set(), (word, name)


def test_every_field_is_netspecs_or_is_left_out_on_purpose() -> None:
    """A field that netspec does not know would be refused only in nets that have it."""
    message_of = {name: field.type for name, field in fields("LayerParameter").items() if field.is_message}
    changed = {"Im2col", "MemoryData", "DummyData"}
    old = {"scale", "mean_file", "crop_size", "mirror"}
    for word, names in MESSAGES.items():
        known = {*LAYERS.get(word).model_fields, *IDLE, *RENAMED.get(word, {})}
        own = {
            x for name in names if name != "transform_param" for x, f in fields(message_of[name]).items() if not f.fork
        }
        own -= old if word in {"Data", "ImageData", "WindowData"} else set()
        own -= {"normalize"} if word == "InfogainLoss" else set()  # Caffe refuses it too
        assert word in changed or own <= known, (word, own - known)


@pytest.mark.parametrize("word", sorted(PLAIN_TYPES | MESSAGES.keys()))
def test_every_type_is_netspecs(word: str) -> None:
    assert LAYERS.get(word).__name__ == word


def test_fields_of_forks_that_mean_something_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(Case('layer { name: "a" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 2 '
                         "torch_pooling: true } }", {"x": (1, 2, 5, 4)}).net)  # fmt: skip
    with pytest.raises(NetspecError, match="torch_pooling"):
        load_net(path)
