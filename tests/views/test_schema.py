"""The JSON Schemas: they accept and refuse files as netspec does; a real language server completes with them."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import ValidationError

from netspec.core import nodes
from netspec.core.errors import Findings, NetspecError
from netspec.core.rooms import Room
from netspec.data.spec import FeedSpec
from netspec.language import document
from netspec.language.expand import expand
from netspec.language.extend import extended
from netspec.language.references import WrongFileError, is_net
from netspec.layers.base import LAYERS
from netspec.net.load import load_net
from netspec.net.spec import net_spec
from netspec.training.solvers.base import SOLVERS
from netspec.training.spec import solver_spec
from netspec.views import json_schema
from tests.helpers import ROOT, editor
from tests.helpers.strategies import nets

BUNDLED = sorted([*(ROOT / "models").glob("*.yaml"), *(ROOT / "solvers").glob("*.yaml")])
PAGE = (ROOT / "docs" / "writing-a-net.md").read_text(encoding="utf-8")

INPUT = "layers:\n  - {name: data, type: Input, top: [data, label], shape: [[2, 1, 8, 8], [2]]}\n"
SOLVER = "net: lenet\nbase_lr: 0.1\nmax_iter: 10\nlr_policy: fixed\n"

EVERYTHING = """\
name: Everything
cite: Nobody 2024
vars: {classes: 10, wide: true, kernel: [3, 1], filler: {type: gaussian, std: 0.1}}
defaults:
  Convolution: {num_output: 4, bias_term: false, weight_filler: {type: msra, variance_norm: FAN_OUT}}
  InnerProduct: {weight_filler: xavier}
blocks:
  unit:
    vars: {width: ~, stride: 1, act: ReLU}
    layers:
      - {name: conv, type: Convolution, kernel_size: $kernel, pad: "$([1, 0])", num_output: $width, stride: $stride}
      - {name: act, type: $act}
      - {name: again, type: Convolution, bottom: $bottom, num_output: $width, kernel_size: 1, \
stride: [$stride, $(stride)]}
      - {name: sum, type: Eltwise, bottom: [act, again], operation: SUM, coeff: [1, $(0.5 * 2)]}
  pair:
    layers:
      - {name: one, block: unit, vars: {width: 4}}
      - name: two
        block: unit
        bottom: one
        vars: {width: $(2 * 4), stride: 2, act: Sigmoid}
        include: {min_level: $(-5), not_stage: quick}
layers:
  - {name: data, type: Input, top: [data, label], shape: [[2, 1, 9, 9], [2]]}
  - {name: pair, block: pair, bottom: data, repeat: 1}
  - {name: more, block: unit, vars: {width: 8}, exclude: [{phase: TEST, stage: [quick]}, {max_level: -9}]}
  - {name: conv, type: Convolution, kernel_size: 3, pad: 1, repeat: $(2 if wide else 1), \
weight_filler: $filler, bias_term: $wide}
  - name: scores$$1
    type: InnerProduct
    num_output: $classes
    param: {lr_mult: $(1 / 2)}
    bias_filler: {type: constant, value: $(-1)}
  - {name: loss, type: SoftmaxWithLoss, bottom: [scores$$1, label], loss_weight: $(0.5), normalization: ~}
"""

EDITED = """\
extends: lenet
vars: {n: 3}
layers:
  - {name: conv1, num_output: $(n * 8), weight_filler: {std: 0.1, type: gaussian}}
  - {insert_after: conv1, name: act, type: TanH}
  - {insert_before: ip1, name: flat, type: Flatten}
  - {replace: pool2, type: Pooling, pool: AVE, kernel_size: 2, stride: 2}
  - {remove: accuracy}
  - {remove: [relu1]}
"""

RIGHT = {
    "everything": EVERYTHING,
    "edited": EDITED,
    "only extends": "extends: ../models/lenet.yaml\nname: Other\n",
    "given by a variable": "vars: {all: [{name: data, type: Input, shape: [2, 3]}]}\nlayers: $all\n",
    "nothing where there may be": "vars:\nblocks:\ndefaults: ~\n" + INPUT,
    **{
        f"writing-a-net.md: {name}": text
        for name, text in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", PAGE, re.S | re.M)
    },
    "solver": SOLVER + "momentum: $m\nvars: {m: 0.5}\ndata: {train: $all, test: ~}\n",
    "solver of another type": SOLVER + "type: RMSProp\nrms_decay: 0.9\ndelta: 1\n",
    "solver of another": "extends: lenet\nlr_policy: {gamma: 0.5}\ndata: {train: {batch_size: 3}}\n",
    "solver with a net": SOLVER.replace("net: lenet", "net: {layers: [{name: data, type: Input, shape: [2, 3]}]}"),
    "solver with an edited net": SOLVER.replace("net: lenet", "net: {extends: lenet, layers: [{remove: relu1}]}"),
}

WRONG = {
    "unknown field": INPUT + "  - {name: c, type: Convolution, num_output: 3, kernl_size: 3}\n",
    "field of another type": INPUT + "  - {name: r, type: ReLU, num_output: 3}\n",
    "wrong enum": INPUT + "  - {name: p, type: Pooling, pool: MAXX, kernel_size: 2}\n",
    "negative pad": INPUT + "  - {name: c, type: Convolution, num_output: 3, kernel_size: 3, pad: -1}\n",
    "negative pad in a list": INPUT + "  - {name: c, type: Convolution, num_output: 3, kernel_size: 3, pad: [0, -1]}\n",
    "word for a number": INPUT + "  - {name: c, type: Convolution, num_output: three, kernel_size: 3}\n",
    "missing field": INPUT + "  - {name: c, type: Convolution, kernel_size: 3}\n",
    "no type": INPUT + "  - {name: c, num_output: 3}\n",
    "no name": INPUT + "  - {type: ReLU}\n",
    "no such type": INPUT + "  - {name: c, type: Convolutoin}\n",
    "no such filler": INPUT + "  - {name: c, type: Convolution, num_output: 3, kernel_size: 3, weight_filler: xaver}\n",
    "filler's field": INPUT
    + "  - {name: c, type: Convolution, num_output: 3, kernel_size: 3, weight_filler: {type: gaussian, sdt: 1}}\n",
    "filler without its field": INPUT
    + "  - {name: c, type: Convolution, num_output: 3, kernel_size: 3, weight_filler: values}\n",
    "filler without type": INPUT
    + "  - {name: c, type: Convolution, num_output: 3, kernel_size: 3, weight_filler: {std: 1}}\n",
    "phase": INPUT + "  - {name: r, type: ReLU, include: {phase: TSET}}\n",
    "layer is a word": INPUT + "  - ReLU\n",
    "edit of nothing": INPUT + "  - {remove: data}\n",
    "insert into nothing": INPUT + "  - {insert_after: data, name: r, type: ReLU}\n",
    "no layers": "name: Empty\n",
    "top-level typo": "nmae: Net\n" + INPUT,
    "expect": "expect: {parms: 3}\n" + INPUT,
    "defaults of no type": "defaults: {Convolutoin: {pad: 1}}\n" + INPUT,
    "defaults of no field": "defaults: {Convolution: {pda: 1}}\n" + INPUT,
    "defaults of a name": "defaults: {Convolution: {name: c}}\n" + INPUT,
    "block without layers": "blocks: {unit: {vars: {a: 1}}}\n" + INPUT,
    "instance and layer": INPUT + "  - {name: a, block: unit, type: ReLU}\n",
    "field of an instance": "blocks: {unit: {layers: [{name: r, type: ReLU}]}}\n"
    + INPUT
    + "  - {name: a, block: unit, stride: 2}\n",
    "half a repeat": INPUT + "  - {name: a, type: ReLU, repeat: 1.5}\n",
    "fewer than no repeats": INPUT + "  - {name: a, type: ReLU, repeat: -1}\n",
    "remove and more": "extends: lenet\nlayers:\n  - {remove: relu1, name: relu1}\n",
    "insert without type": "extends: lenet\nlayers:\n  - {insert_after: relu1, name: r}\n",
    "change of no field": "extends: lenet\nlayers:\n  - {name: conv1, num_outptu: 3}\n",
    "solver's field": SOLVER + "momentum2: 0.9\n",
    "solver without rate": SOLVER.replace("base_lr: 0.1\n", ""),
    "solver without net": SOLVER.replace("net: lenet\n", ""),
    "field of another solver type": SOLVER + "type: RMSProp\nmomentum: 0.9\n",
    "solver's bound": SOLVER + "momentum: 1\n",
    "no such solver type": SOLVER + "type: SDG\n",
    "bare policy that needs more": SOLVER.replace("fixed", "step"),
    "policy that needs more": SOLVER.replace("fixed", "{type: step, gamma: 0.1}"),
    "batch size": SOLVER + "data: {train: {source: {type: FashionMNIST, split: train}, batch_size: 0}}\n",
    "feed without source": SOLVER + "data: {train: {batch_size: 3}}\n",
    "layer of a net in a solver": SOLVER.replace("net: lenet", "net: {layers: [{name: data, type: Inptu}]}"),
}


@cache
def validator(kind: str) -> Draft7Validator:
    schema = json_schema.net_schema() if kind == "net" else json_schema.solver_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def lists(value: Any) -> Any:
    """Plain values as JSON has them."""
    if isinstance(value, dict):
        return {key: lists(each) for key, each in value.items()}
    return [lists(each) for each in value] if isinstance(value, tuple) else value


def tuples(value: Any) -> Any:
    """Plain values as documents have them."""
    if isinstance(value, dict):
        return {key: tuples(each) for key, each in value.items()}
    return tuple(tuples(each) for each in value) if isinstance(value, list) else value


def problems(text: str, kind: str | None = None) -> list[str]:
    values = lists(document.parse(text).plain())
    solver = any(key in values for key in ("net", "base_lr", "lr_policy", "max_iter"))
    return [error.message for error in validator(kind or ("solver" if solver else "net")).iter_errors(values)]


def checked(text: str) -> None:
    """Raise the mistakes that netspec finds before it builds a graph."""
    raw, found = document.parse(text), Findings()
    shelf = "models" if is_net(raw) else "solvers"
    flat = expand(extended(raw, shelf), apart=None if shelf == "models" else "net")
    if shelf == "models":
        net_spec(flat, found)
    else:
        solver_spec(flat, found)
        net = flat.root.items.get("net")
        if isinstance(net, nodes.Sequence):
            raise WrongFileError("a list is no net")
        if isinstance(net, nodes.Mapping):
            net_spec(expand(extended(nodes.Document(net, raw.source), "models")), found)
    found.raise_if_any()


# --- agreement with netspec ---


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_bundled_files_name_their_schema_and_fit_it(path: Path) -> None:
    kind = {"models": "net", "solvers": "solver"}[path.parent.name]
    text = path.read_text(encoding="utf-8")
    assert text.partition("\n")[0] == f"# yaml-language-server: $schema={kind}.schema.json"
    assert problems(text, kind) == []


@pytest.mark.parametrize("name", RIGHT)
def test_what_may_be_written_is_accepted(name: str) -> None:
    assert problems(RIGHT[name]) == []


def test_the_sample_with_everything_is_a_net(tmp_path: Path) -> None:
    (tmp_path / "everything.yaml").write_text(EVERYTHING)
    assert len(load_net(tmp_path / "everything.yaml").graph.nodes) > 10
    (tmp_path / "edited.yaml").write_text(EDITED)
    assert load_net(tmp_path / "edited.yaml").graph.nodes[2].layer.type == "TanH"


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_by_both(name: str) -> None:
    assert problems(WRONG[name])
    with pytest.raises(NetspecError):
        checked(WRONG[name])


def test_no_file_that_netspec_can_read_is_underlined() -> None:
    """Of the broken files those whose fields are right."""
    read = []
    for path in sorted((ROOT / "tests" / "cli" / "broken").glob("*.yaml")):
        text = path.read_text(encoding="utf-8", errors="replace")
        with contextlib.suppress(NetspecError):
            checked(text)
            read.append(path.name)
            assert problems(text) == [], path.name
    assert len(read) > 30


@given(nets())
def test_random_nets_are_accepted(net: dict[str, Any]) -> None:
    assert list(validator("net").iter_errors(lists(tuples(net)))) == []


VALUES = st.recursive(
    st.sampled_from(
        [-1, 0, 1, 2, 0.5, -0.5, 1.5, True, False, None, "x", "", "MAX", "VALID", "TEST", "xavier", "$x", "2"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "phase", "lr_mult", "std"]), inner, max_size=2)
    ),
    max_leaves=4,
)
ROOMS: dict[str, Room[Any]] = {
    "layers": LAYERS,
    "solvers": SOLVERS,
    **{room.package.rpartition(".")[2]: room for room in json_schema.CHOICES},
}


@cache
def member_validator(room: str, word: str) -> Draft7Validator:
    """Accepts the mapping of one member of a room."""
    names = {"layers": ["entry", "layers.needs"], "solvers": [f"solvers.{word}"]}.get(room, [room, f"{room}.needs"])
    definitions = validator("solver").schema["definitions"]
    return Draft7Validator({"allOf": [{"$ref": f"#/definitions/{name}"} for name in names], "definitions": definitions})


@pytest.mark.parametrize(("room", "word"), [(name, word) for name, room in ROOMS.items() for word in room.words()])
@given(data=st.data())
def test_a_member_with_any_fields_is_accepted_by_both_or_refused_by_both(
    room: str, word: str, data: st.DataObject
) -> None:
    """As far as a schema can tell: only netspec checks rules between fields."""
    member = ROOMS[room].get(word)
    names = list(member.model_fields)
    chosen = data.draw(st.lists(st.sampled_from([*names, "unknown"]), max_size=3, unique=True)) if names else []
    fields = {name: data.draw(VALUES, label=name) for name in chosen}
    if room == "layers":
        fields.setdefault("name", "it")
    said = {"type": word, **fields}
    if "$" in json.dumps(said):
        return  # the value of the variable is not known yet
    if fields.get("computed") == 1:
        return  # pydantic takes 1 where `true` is meant
    try:
        member.model_validate(tuples(fields))
        refused: list[Any] = []
    except ValidationError as error:
        refused = error.errors()
    wrong = list(member_validator(room, word).iter_errors(said))
    if not refused:
        assert not wrong, wrong[0].message
    elif any(problem["type"] != "netspec" or problem["ctx"]["text"].startswith("unknown ") for problem in refused):
        assert wrong, refused


# --- the command, the files ---


def test_the_command_prints_them() -> None:
    for kind in ("net", "solver"):
        done = subprocess.run([sys.executable, "-m", "netspec", "schema", kind], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == validator(kind).schema
    assert subprocess.run([sys.executable, "-m", "netspec", "schema", "loss"], capture_output=True).returncode == 2


def test_every_word_and_field_is_described() -> None:
    definitions = validator("solver").schema["definitions"]
    for name, room in ROOMS.items():
        for word in room.words():
            properties = definitions[f"{name}.{word}"]["properties"]
            assert set(room.get(word).model_fields) <= set(properties)
            assert properties["type"]["description"]
            for field in room.get(word).model_fields:
                described = properties[field]
                if described.get("$ref", "").startswith("#/definitions/layer/"):
                    described = definitions["layer"]["properties"][field]
                assert described["description"], f"{word}.{field}"


# --- in an editor ---


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[editor.Editor]:
    command = editor.command()
    if command is None:
        pytest.skip("no yaml-language-server (NETSPEC_YAML_LANGUAGE_SERVER names one)")
    folder = tmp_path_factory.mktemp("screen")
    for kind in ("net", "solver"):
        (folder / f"{kind}.schema.json").write_text(json.dumps(validator(kind).schema))
    with editor.Editor(command, folder) as running:
        yield running


def net(text: str) -> str:
    return "# yaml-language-server: $schema=net.schema.json\n" + text


def solver(text: str) -> str:
    return "# yaml-language-server: $schema=solver.schema.json\n" + text


def test_layer_types_are_offered(screen: editor.Editor) -> None:
    for text in (
        "layers:\n  - {name: c1, type: |}\n",
        "layers:\n  - name: c1\n    type: |\n",
        "layers:\n  - name: c1\n    type: Conv|\n",
    ):
        offered = screen.completions(net(text))
        assert set(offered) == set(LAYERS.words())
        assert "Convolve an image" in str(offered["Convolution"]["documentation"])


def test_fields_of_the_type_are_offered(screen: editor.Editor) -> None:
    fields = {*LAYERS.get("Convolution").model_fields, "repeat", "when"} - {"name"}
    for text in (
        "  - name: c1\n    type: Convolution\n    |\n",
        "  - name: c1\n    type: Convolution\n    ker|\n",
        "  - {name: c1, type: Convolution, ker|}\n",
    ):
        offered = screen.completions(net("layers:\n" + text))
        assert set(offered) == fields
        assert offered["num_output"]["documentation"] == "Number of filters, K."
    assert offered["group"]["insertText"] == "group: ${1:1}"
    fields = {*LAYERS.get("ReLU").model_fields, "repeat", "when"} - {"name"}
    assert set(screen.completions(net("layers:\n  - type: ReLU\n    name: r\n    |\n"))) == fields


def test_a_new_entry_begins_with_a_name_and_a_type(screen: editor.Editor) -> None:
    assert set(screen.completions(net("layers:\n  - |"))) == {"name", "type", "block"}
    assert set(screen.completions(net("layers:\n  - name: c1\n    |"))) == {"type", "block"}
    assert set(screen.completions(net("layers:\n  - name: c1\n    block: unit\n    |"))) == {
        "bottom",
        "vars",
        "repeat",
        "when",
        "include",
        "exclude",
    }
    edit = screen.completions(net("extends: lenet\nlayers:\n  - name: c1\n    type: ReLU\n    |"))
    assert {"insert_before", "insert_after", "replace", "negative_slope"} <= set(edit) and "num_output" not in edit
    assert {"num_output", "vars", "insert_after"} <= set(
        screen.completions(net("extends: lenet\nlayers:\n  - name: c1\n    |"))
    )


def test_words_and_choices_are_offered(screen: editor.Editor) -> None:
    layer = "layers:\n  - name: c1\n    type: Convolution\n    "
    fillers = screen.completions(net(layer + "weight_filler: |"))
    assert {"xavier", "msra", "gaussian"} <= set(fillers) and fillers["values"][
        "insertText"
    ] == "{type: values, values: $1}"
    assert "xavier" in screen.completions(net(layer + "weight_filler: {type: |}"))
    assert "std" in screen.completions(net(layer + "weight_filler:\n      type: gaussian\n      |"))
    assert set(screen.completions(net(layer + "bias_term: |"))) == {"true", "false"}
    assert set(screen.completions(net("layers:\n  - name: p\n    type: Pooling\n    pool: |"))) == {"MAX", "AVE"}
    assert set(screen.completions(net(layer + "param:\n      - |"))) == {"name", "share_mode", "lr_mult", "decay_mult"}
    assert {"Convolution", "Pooling"} <= set(screen.completions(net("defaults:\n  |\n" + INPUT)))
    defaults = screen.completions(net("defaults:\n  Convolution:\n    |\n" + INPUT))
    assert "weight_filler" in defaults and "bottom" not in defaults


def test_solvers_are_completed(screen: editor.Editor) -> None:
    top = screen.completions(solver("|"))
    assert {"net", "data", "base_lr", "momentum", "lr_policy", "extends", "vars", "type"} <= set(
        top
    ) and "layers" not in top
    policies = screen.completions(solver("lr_policy: |"))
    assert (
        policies["step"]["insertText"] == "{type: step, gamma: $1, stepsize: $2}"
        and policies["fixed"]["insertText"] == "fixed"
    )
    assert set(screen.completions(solver("data:\n  train:\n    |"))) == set(FeedSpec.model_fields)
    assert "FashionMNIST" in screen.completions(solver("data: {train: {source: |}}"))
    assert "Crop" in screen.completions(solver("data:\n  train:\n    transform:\n      - |"))
    assert set(screen.completions(solver("net:\n  layers:\n    - {name: a, type: |}"))) == set(LAYERS.words())


@pytest.mark.parametrize(
    ("text", "title", "words"),
    [
        (net("layers:\n  - {name: c1, type: Convolution, num_out|put: 3}"), "Convolution", "Number of filters, K."),
        (net("layers:\n  - {name: c1, type: Convolution, num_out|put: $x}"), "variable", "Number of filters, K."),
        (net("layers:\n  - {name: c1, type: Conv|olution}"), "layer", "Convolve an image with"),
        (
            net("layers:\n  - {name: p, type: Pooling, kernel_s|ize: 3}\n  - {name: r, type: ReLU}"),
            "Pooling",
            "Window height and width",
        ),
        (net("layers:\n  - {name: p, type: Pooling, kernel_s|ize: [3, 2]}"), "Pooling", "Window height and width"),
        (
            net("layers:\n  - {name: p, type: Pooling, bot|tom: a}\n  - {name: r, type: ReLU}"),
            "Pooling",
            "Blobs it reads",
        ),
        (net("layers:\n  - {name: c, type: Convolution, weight_f|iller: xavier}"), "Convolution", "Initial weights."),
        (
            net("layers:\n  - {name: c, type: Convolution, weight_f|iller: {type: xavier}}"),
            "Convolution",
            "Initial weights.",
        ),
        (
            net("layers:\n  - {name: c, type: Convolution, weight_filler: {type: xa|vier}}"),
            "Convolution",
            "Uniform numbers in",
        ),
        (
            net("layers:\n  - {name: c, type: Convolution, weight_filler: {type: gaussian, st|d: 1}}"),
            "gaussian",
            "Standard deviation.",
        ),
        (net("layers:\n  - {name: a, blo|ck: unit}"), "instance of a block", "The block that it is an instance of."),
        (solver("base_|lr: 0.1"), "solver", "Learning rate before the policy."),
        (solver("mom|entum: 0.9"), "SGD", "Share of the last step"),
        (solver("type: S|GD"), "solver", "Stochastic gradient descent"),
    ],
    ids=lambda text: None if "\n" in text else text,
)
def test_fields_are_explained(screen: editor.Editor, text: str, title: str, words: str) -> None:
    shown = screen.hover(text)
    assert shown.startswith(f"#### {title}\n\n{words}"), shown


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_right_is_underlined(screen: editor.Editor, name: str) -> None:
    text = RIGHT[name]
    assert screen.problems(solver(text) if "solver" in name else net(text)) == []


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_bundled_files_are_clean_in_the_editor(screen: editor.Editor, path: Path) -> None:
    assert screen.problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_underlined(screen: editor.Editor, name: str) -> None:
    text = WRONG[name]
    assert screen.problems(solver(text) if "lr_policy" in text else net(text))


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("unknown field", 4, "Property kernl_size is not allowed."),
        ("wrong enum", 4, 'Value is not accepted. Valid values: "MAX", "AVE".'),
        ("negative pad", 4, "Value is below the minimum of 0."),
        ("word for a number", 4, 'Incorrect type. Expected "integer".'),
        ("missing field", 4, 'Missing property "num_output".'),
        ("no type", 4, 'Missing property "type".'),
        ("layer is a word", 4, "Expected a layer, like {name: relu1, type: ReLU}."),
        ("edit of nothing", 4, "It edits a layer of the net that this one `extends`; this net extends none."),
        ("bare policy that needs more", 5, "Expected one of {type: exp, gamma: ...}, fixed"),
    ],
)
def test_the_mark_says_what_is_wrong(screen: editor.Editor, name: str, line: int, message: str) -> None:
    text = WRONG[name]
    found = screen.problems(solver(text) if "lr_policy" in text else net(text))
    assert any(problem.startswith(f"{line}: {message}") for problem in found), found
