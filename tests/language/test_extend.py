"""Extends: merges of child and parents against a merge written here; origins and paths stay the parents'."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.core.errors import NetspecError
from netspec.core.nodes import Document
from netspec.language.document import dump
from netspec.language.edits import EditError
from netspec.language.expand import expand
from netspec.language.extend import ExtendsError, open_spec
from netspec.language.references import open_any
from netspec.net.digest import digest
from netspec.net.load import load_net, load_phases
from netspec.training.job import load_solver
from tests.conftest import NET

Entry = dict[str, Any]
NAMES = ["a", "b", "c", "d"]
TYPES = st.sampled_from(["ReLU", "TanH", "Pooling"])
PLAIN = st.sampled_from([1, "word", None, [1, 2]])
CHOICES = st.sampled_from(
    [{"type": "msra"}, {"std": 0.1}, {"type": "constant", "value": 1}, "xavier", {"std": {"deep": 1}}]
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={"x": PLAIN, "y": PLAIN, "filler": CHOICES, "rule": st.sampled_from([{"phase": "TEST"}, {"stage": "s"}])},
)


def layer(name: str) -> st.SearchStrategy[Entry]:
    return st.tuples(TYPES, FIELDS).map(lambda drawn: {"name": name, "type": drawn[0], **drawn[1]})


def sections() -> st.SearchStrategy[Entry]:
    """The keys of a net besides `layers`."""
    defaults = st.dictionaries(TYPES, FIELDS, max_size=2)
    blocks = st.dictionaries(
        st.sampled_from("uv"),
        st.sampled_from([{"vars": {"w": 1}}, {"vars": {"k": 2}}, {"layers": [1]}, {"layers": [2], "vars": {"w": 3}}]),
    )
    variables = st.dictionaries(st.sampled_from("pqr"), PLAIN | CHOICES)
    return st.fixed_dictionaries(
        {},
        optional={
            "name": st.just("n"),
            "cite": PLAIN,
            "vars": variables,
            "defaults": defaults,
            "blocks": blocks,
            "expect": st.just({"params": 1}),
        },
    )


ONE = st.sampled_from([*NAMES, "e"])
ENTRIES = st.lists(
    st.one_of(
        st.tuples(ONE, FIELDS).map(lambda drawn: {"name": drawn[0], **drawn[1]}),
        ONE.flatmap(layer),
        st.builds(lambda names: {"remove": names}, ONE | st.lists(ONE, max_size=3)),
        st.builds(
            lambda word, at, new: {word: at, **new},
            st.sampled_from(["insert_before", "insert_after"]),
            ONE,
            st.sampled_from("fghij").flatmap(layer),
        ),
        st.builds(
            lambda at, name, kind, fields: {"replace": at, **name, "type": kind, **fields},
            ONE,
            st.sampled_from([{}, {"name": "z"}]),
            TYPES,
            FIELDS,
        ),
    ),
    max_size=6,
)


@st.composite
def families(draw: Any) -> tuple[Entry, Entry]:
    """A parent and its child."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    parent = draw(sections()) | {"layers": [draw(layer(name)) for name in names]}
    if "vars" in parent:  # every variable that the child may give: an unused variable is a mistake
        parent["vars"] = {"p": 1, "q": 1, "r": 1} | parent["vars"]
    return parent, draw(sections()) | {"layers": draw(ENTRIES)}


class Wrong(Exception):
    """An edit that must be refused."""


def over(parent: Any, child: Any) -> Any:
    """A value merged over another by the rules of the design."""
    if not isinstance(child, dict) or "type" in child:
        return child
    parent = {"type": parent} if isinstance(parent, str) else parent
    if not isinstance(parent, dict):
        return child
    return laid(parent, child)


def laid(parent: Entry, child: Entry) -> Entry:
    """A mapping merged over another, where no `~` removes a value of the parent."""
    result = dict(parent)
    for key, value in child.items():
        if value is None and key in parent:
            del result[key]
        else:
            result[key] = over(parent.get(key), value)
    return result


def merged(parent: Entry, child: Entry) -> Entry:
    """A child merged over its parent by the rules of the design. Raises Wrong."""
    result = {key: value for key, value in copy.deepcopy(parent).items() if key != "expect"}
    for key, value in copy.deepcopy(child).items():
        if value is None and key in result:
            del result[key]
        elif key == "vars":
            result[key] = result.get(key, {}) | value
        elif key == "blocks":
            before = result.setdefault(key, {})
            for name, block in value.items():
                before[name] = block if "layers" in block or name not in before else over(before[name], block)
        elif key == "defaults":
            before = result.setdefault(key, {})
            for name, fields in value.items():
                before[name] = over(before.get(name), fields)
        elif key != "layers":
            result[key] = value
    cells = [[entry] for entry in result["layers"]]
    result["layers"] = cells
    last: dict[int, Any] = {}
    for entry in copy.deepcopy(child["layers"]):
        edit(cells, entry, last)
    result["layers"] = [cell[0] for cell in cells]
    return result


def edit(cells: list[Any], entry: Entry, last: dict[int, Any]) -> None:
    """Apply an entry of a child; `last` holds the layer inserted last behind each layer."""

    def find(name: str) -> Any:
        for cell in cells:
            if cell[0]["name"] == name:
                return cell
        raise Wrong

    if "remove" in entry:
        for name in entry["remove"] if isinstance(entry["remove"], list) else [entry["remove"]]:
            at = find(name)
            del cells[next(i for i, cell in enumerate(cells) if cell is at)]
        return
    for word in ("insert_before", "insert_after", "replace"):
        if word not in entry:
            continue
        target = find(entry.pop(word))
        if word == "replace":
            target[0] = {"name": target[0]["name"], **entry}
            return
        if any(cell[0]["name"] == entry["name"] for cell in cells):
            raise Wrong
        new = [entry]
        if word == "insert_after":
            behind = last.get(id(target), target)
            behind = behind if any(cell is behind for cell in cells) else target
            last[id(target)] = new
            cells.insert(next(i for i, cell in enumerate(cells) if cell is behind) + 1, new)
        else:
            cells.insert(next(i for i, cell in enumerate(cells) if cell is target), new)
        return
    known = [cell for cell in cells if cell[0]["name"] == entry["name"]]
    if not known and "type" not in entry:
        raise Wrong
    if not known:
        cells.append([entry])
    elif entry.get("type", known[0][0]["type"]) != known[0][0]["type"]:
        raise Wrong
    else:
        known[0][0] = laid(known[0][0], entry)


def frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def opened(folder: Path, **files: Entry) -> Document:
    """Write the files to a folder; the merged document of the first file."""
    for name, values in files.items():
        (folder / f"{name}.yaml").write_text(dump(values), encoding="utf-8")
    return open_spec(str(folder / f"{next(iter(files))}.yaml"), "models")


@settings(max_examples=300)
@given(family=families())
def test_a_child_and_its_parent_say_what_the_design_says(
    family: tuple[Entry, Entry], tmp_path_factory: pytest.TempPathFactory
) -> None:
    parent, child = family
    try:
        expected = frozen(merged(parent, child))
    except Wrong:
        expected = None
    try:
        done = opened(tmp_path_factory.getbasetemp(), child={"extends": "parent.yaml", **child}, parent=parent).plain()
    except EditError as error:
        assert expected is None and error.at is not None and error.at.source.name.endswith("child.yaml")
        return
    except NetspecError as error:
        assert expected is None and all(isinstance(each, EditError) for each in error.errors())
        return
    assert done == expected
    assert [entry["name"] for entry in done["layers"]] == [entry["name"] for entry in expected["layers"]]


@settings(max_examples=50)
@given(family=families())
def test_every_value_points_into_the_file_it_stands_in(
    family: tuple[Entry, Entry], tmp_path_factory: pytest.TempPathFactory
) -> None:
    parent, child = family
    child["layers"] = [{"name": entry["name"], "x": "of the child"} for entry in parent["layers"][:1]]
    document = opened(tmp_path_factory.getbasetemp(), child={"extends": "parent.yaml", **child}, parent=parent)
    at = document.locate("layers", 0, "type")
    assert at.source.name.endswith("parent.yaml") and [
        place.source.name.endswith("child.yaml") for place in at.chain
    ] == [True]
    assert at.source.line(at.line)[at.column - 1 :].startswith(parent["layers"][0]["type"])
    at = document.locate("layers", 0, "x")
    assert at.source.name.endswith("child.yaml") and not at.chain and "of the child" in at.source.line(at.line)


def test_what_a_child_takes_back_is_gone_with_its_place(tmp_path: Path) -> None:
    document = opened(
        tmp_path,
        child={
            "extends": "parent.yaml",
            "cite": None,
            "defaults": {"ReLU": {"y": None}},
            "layers": [{"name": "x", "top": None}],
        },
        parent={
            "cite": "someone",
            "defaults": {"ReLU": {"y": 1}},
            "blocks": {"u": {"layers": [{"name": "r", "type": "ReLU"}]}},
            "layers": [{"name": "data", "type": "Input"}, {"name": "x", "block": "u", "top": "features"}],
        },
    )
    assert expand(document).plain() == {"layers": ({"name": "data", "type": "Input"}, {"name": "x/r", "type": "ReLU"})}


def test_grandchildren_see_what_their_parents_made(tmp_path: Path) -> None:
    document = opened(
        tmp_path,
        c={"extends": "b.yaml", "vars": {"n": 3}, "layers": [{"insert_after": "new", "name": "newer", "type": "ReLU"}]},
        b={
            "extends": "a.yaml",
            "expect": {"params": 1},
            "layers": [{"insert_before": "x", "name": "new", "type": "ReLU"}],
        },
        a={"vars": {"n": 1, "m": "$n"}, "layers": [{"name": "x", "type": "ReLU", "negative_slope": "$m"}]},
    )
    assert expand(document).plain() == {"layers": tuple(expand(document).plain()["layers"])}
    rows = expand(document).plain()["layers"]
    assert [row["name"] for row in rows] == ["new", "newer", "x"] and rows[2]["negative_slope"] == 3


def test_a_parent_may_be_of_the_zoo_and_a_file_wins_over_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "child.yaml").write_text("extends: lenet\nlayers: [{name: ip2, num_output: 7}]\n")
    phases = load_phases(str(tmp_path / "child.yaml"))
    assert phases.train is not None
    net = phases.train
    assert [net.top_shapes(node)[0][1] for node in net.graph.nodes if node.layer.name == "ip2"] == [7]
    assert "params" not in phases.spec.expect
    (tmp_path / "solver.yaml").write_text("extends: lenet\nmax_iter: 7\n")
    job = load_solver(str(tmp_path / "solver.yaml"))
    assert job.spec.max_iter == 7 and digest(job.train.graph) == digest(load_solver("lenet").train.graph)
    assert open_any(str(tmp_path / "solver.yaml")).flat.plain()["max_iter"] == 7
    own = tmp_path / "zoo" / "models"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("layers: [{name: data, type: Input, shape: [1, 3]}]\n")
    monkeypatch.setenv("NETSPEC_ZOO_PATH", str(tmp_path / "zoo"))
    (tmp_path / "child.yaml").write_text("extends: mine\nlayers: [{name: r, type: ReLU}]\n")
    assert len(load_net(str(tmp_path / "child.yaml")).graph.nodes) == 2


def test_a_word_alone_says_which_shelf_a_parent_stands_on(tmp_path: Path) -> None:
    for text, key in (
        ("base_lr: 0.5\n", "base_lr"),
        ("momentum: 0.5\n", "momentum"),
        ("display: 3\n", "display"),
        ("cite: me\n", "cite"),
    ):
        (tmp_path / "child.yaml").write_text(f"extends: lenet\n{text}")
        values = open_any(str(tmp_path / "child.yaml")).flat.plain()
        assert ("net" in values) == (key != "cite") and key in values


@pytest.mark.parametrize("sibling", [False, True])
def test_paths_of_a_solver_hold_where_they_are_written(
    sibling: bool, solver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parent's paths start from the parent's folder, which may be another, and a child's from the child's."""
    base, other = tmp_path / "base", tmp_path / ("base" if sibling else "other")
    for folder in (base / "nets", base / "data", other):
        folder.mkdir(parents=True, exist_ok=True)
    values = solver(net="nets/net.yaml")
    for phase in ("train", "test"):
        outputs = values["data"][phase]["source"]["outputs"]
        for path in outputs:
            (base / "data" / Path(path).name).write_bytes(Path(path).read_bytes())
        values["data"][phase]["source"]["outputs"] = [f"data/{Path(path).name}" for path in outputs]
    (base / "nets" / "net.yaml").write_text(dump(NET))
    (base / "solver.yaml").write_text(dump(values))
    (other / "child.yaml").write_text(dump({"extends": str(Path("..") / "base" / "solver.yaml"), "max_iter": 2}))
    monkeypatch.chdir(tmp_path)
    from netspec.training.feeds import open_phase

    job = load_solver(str(other / "child.yaml"))
    assert job.spec.max_iter == 2 and open_phase(job, "TRAIN", 1) is not None and open_phase(job, "TEST", 1) is not None
    at = job.spec.place("data", "train", "source", "outputs", 0)
    assert at is not None and job.spec.data.train is not None
    assert job.spec.data.train.source.place("outputs", 0) == at
    assert at.source.name == str(Path("base") / "solver.yaml")
    (other / "nets").mkdir(exist_ok=True)
    (other / "nets" / "wide.yaml").write_text(dump(NET | {"name": "wide"}))
    (other / "child.yaml").write_text(dump({"extends": str(base / "solver.yaml"), "net": "nets/wide.yaml"}))
    assert load_solver(str(other / "child.yaml")).net.name == "wide"


def test_paths_that_are_typed_are_relative_to_the_current_folder(
    solver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = solver(net="net.yaml", vars={"labels": "nowhere.npy"})
    images, labels = (Path(path) for path in values["data"]["train"]["source"]["outputs"])
    values["data"]["train"]["source"]["outputs"] = ["nowhere.npy", "$labels"]
    (tmp_path / "solvers").mkdir()
    (tmp_path / "solvers" / "net.yaml").write_text(dump(NET))
    (tmp_path / "solvers" / "solver.yaml").write_text(dump(values))
    (tmp_path / "typed").mkdir()
    monkeypatch.chdir(tmp_path / "typed")
    from netspec.training.feeds import open_phase

    for path in (images, labels):
        Path(path.name).write_bytes(path.read_bytes())
    texts = [f"data.train.source.outputs.0={images.name}", f"vars.labels={labels.name}"]
    assert open_phase(load_solver("../solvers/solver.yaml", texts), "TRAIN", 1) is not None
    Path("wide.yaml").write_text(dump(NET | {"name": "wide"}))
    assert load_solver(str(tmp_path / "solvers" / "solver.yaml"), [*texts, "net=wide.yaml"]).net.name == "wide"


def test_a_variable_that_nothing_uses_is_a_slip_of_the_pen(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("vars: {classes: 3}\nlayers: [{name: a, type: ReLU, x: $classes}]\n")
    (tmp_path / "child.yaml").write_text("extends: parent.yaml\nvars: {clases: 4, half: 2, classes: $(half * 2)}\n")
    with pytest.raises(EditError, match="'clases'") as caught:
        open_spec(str(tmp_path / "child.yaml"), "models")
    assert caught.value.help == "did you mean 'classes'?" and caught.value.at is not None and caught.value.at.line == 2


def test_a_variable_that_only_the_parent_uses_may_be_the_childs_to_give(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("vars: {classes: 3}\nlayers: [{name: a, type: ReLU, x: $more}]\n")
    (tmp_path / "child.yaml").write_text("extends: parent.yaml\nname: net$classes\nvars: {more: 4}\n")
    (layer,) = expand(open_spec(str(tmp_path / "child.yaml"), "models")).plain()["layers"]
    assert layer["x"] == 4


def test_a_child_takes_back_what_its_parent_says(solver: Any, tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(dump(solver(net=NET, type="SGD", momentum=0.9, test_interval=5)))
    child = {"extends": "parent.yaml", "type": "RMSProp", "momentum": None, "test_interval": None}
    (tmp_path / "child.yaml").write_text(dump(child))
    job = load_solver(str(tmp_path / "child.yaml"))
    assert type(job.spec.rule).__name__ == "RMSProp" and job.spec.test_interval is None


def test_a_net_inside_a_solver_is_merged_layer_by_layer_and_may_extend_a_net_of_its_own(
    solver: Any, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "tiny.yaml").write_text(dump(NET))
    (tmp_path / "sub" / "file.yaml").write_text(
        dump(solver(net={"extends": "tiny.yaml", "layers": [{"name": "ip", "num_output": 4}]}))
    )
    (tmp_path / "inline.yaml").write_text(dump(solver(net=NET)))
    change = {"layers": [{"name": "conv", "num_output": 5}, {"remove": "relu"}]}
    for parent, outputs in (("sub/file.yaml", 4), ("inline.yaml", 3)):
        (tmp_path / "child.yaml").write_text(dump({"extends": parent, "net": change}))
        rows = {row["name"]: row for row in open_any(str(tmp_path / "child.yaml")).flat.plain()["net"]["layers"]}
        assert "relu" not in rows and rows["conv"]["num_output"] == 5 and rows["ip"]["num_output"] == outputs
    (tmp_path / "child.yaml").write_text(
        dump({"extends": "inline.yaml", "net": {"extends": "sub/tiny.yaml", "name": "own"}})
    )
    assert open_any(str(tmp_path / "child.yaml")).flat.plain()["net"]["name"] == "own"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": {"extends": "a.yaml"}}, "extends itself: .*a.yaml -> a.yaml"),
        (
            {"a": {"extends": "b.yaml"}, "b": {"extends": "./c.yaml"}, "c": {"extends": "../{folder}/a.yaml"}},
            "a.yaml -> .*b.yaml -> .*c.yaml",
        ),
        ({"a": {"extends": "b.yaml", "layers": []}, "b": {"net": "x"}}, "is a solver, which a net cannot extend"),
        ({"a": {"extends": "b.yaml", "max_iter": 1}, "b": {"layers": []}}, "is a net, which a solver cannot extend"),
        ({"a": {"extends": ["b.yaml"]}}, "names one net, not a list"),
        ({"a": {"extends": None, "base_lr": 1}}, "names one solver, not nothing"),
    ],
)
def test_parents_that_cannot_be(files: dict[str, Entry], words: str, tmp_path: Path) -> None:
    for values in files.values():
        if isinstance(values.get("extends"), str):
            values["extends"] = values["extends"].replace("{folder}", tmp_path.name)
    with pytest.raises(ExtendsError, match=words):
        opened(tmp_path, **files)


def test_a_mistake_in_a_parent_is_shown_there_with_the_way_to_it(tmp_path: Path) -> None:
    with pytest.raises(NetspecError) as caught:
        expand(
            opened(
                tmp_path,
                a={"extends": "b.yaml"},
                b={"extends": "c.yaml"},
                c={"layers": [{"name": "x", "type": "ReLU", "y": "$z"}]},
            )
        )
    at = caught.value.at
    assert at is not None and [Path(place.source.name).name for place in [at, *at.chain]] == [
        "c.yaml",
        "b.yaml",
        "a.yaml",
    ]


_TWICE = {
    "layers": [
        {"name": "data", "type": "Input", "shape": [2, 3], "include": {"phase": "TRAIN"}},
        {"name": "data", "type": "Input", "shape": [1, 3], "include": {"phase": "TEST"}},
        {"name": "ip", "type": "InnerProduct", "num_output": 2},
    ]
}


@pytest.mark.parametrize("entry", [{"name": "data", "shape": [5, 3]}, {"replace": "data", "type": "Input", "shape": 1}])
def test_two_layers_of_a_name_are_not_edited_alone(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(EditError, match="2 layers of the net that this one extends are called 'data'"):
        opened(tmp_path, a={"extends": "b.yaml", "layers": [entry]}, b=_TWICE)


def test_two_layers_of_a_name_come_and_go(tmp_path: Path) -> None:
    """One entry removes both, and a child may bring two of its own, of the same phases."""
    anew = [
        {"insert_before": "ip", **one, "shape": [size, 3]} for one, size in zip(_TWICE["layers"], (4, 6), strict=False)
    ]
    made = expand(opened(tmp_path, a={"extends": "b.yaml", "layers": [{"remove": "data"}, *anew]}, b=_TWICE)).plain()
    assert [(one["name"], *one.get("shape", ())) for one in made["layers"]] == [
        ("data", 4, 3),
        ("data", 6, 3),
        ("ip",),
    ]
    plain = [{**one, "name": "more"} for one in _TWICE["layers"][:2]]
    made = expand(opened(tmp_path, a={"extends": "b.yaml", "layers": plain}, b=_TWICE)).plain()
    assert [one["name"] for one in made["layers"]] == ["data", "data", "ip", "more", "more"]


def test_a_name_that_is_no_text_is_no_traceback(tmp_path: Path) -> None:
    edits = [{"replace": "ip", "name": 3, "type": "ReLU"}, {"remove": "ip"}]
    made = expand(opened(tmp_path, a={"extends": "b.yaml", "layers": edits}, b=_TWICE)).plain()
    assert len(made["layers"]) == 2
