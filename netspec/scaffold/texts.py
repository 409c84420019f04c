"""The texts of nets and solvers, made of the templates beside this file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path

from netspec.core.shape import counted, text
from netspec.language.write import flow
from netspec.scaffold.finetune import Trunk
from netspec.scaffold.found import Characters, Images, Size, Table

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""The parts that data are split into, where they come as one."""


def image_net(template: str, found: Images, name: str, size: Size, batch: int) -> str:
    """A net for images of a size; templates: lenet, residual, autoencoder."""
    height, width = size
    facts = {"found": found, "name": name, "classes": len(found.classes), "channels": found.channels, "batch": batch}
    plane = {"rows": ceil(ceil(height / 2) / 2), "columns": ceil(ceil(width / 2) / 2)}
    halvings = max(1, (min(size) // 24).bit_length() - 1)
    return _filled(template, size=text(size), height=height, width=width, halvings=halvings, **plane, **facts)


def image_solver(found: Images, net: str, size: Size, batch: int, score: str) -> str:
    """Training on images: random crops or shifts, values scaled by their mean and deviation."""
    return _image_solver(found, net, size, batch, score, ["- {type: Normalize, computed: channel}"], "0.002", [])


def finetune_solver(found: Images, net: str, batch: int, old: Trunk) -> str:
    """Training that goes on from a trained net: its own transforms of values, and its layers at a tenth of the rate."""
    channels, height, width = old.shape
    start = [
        f"weights: {flow(str(old.weights))}",
        "params:",
        '  - {match: "*", lr_mult: 0.1}           # 0 freezes all layers but the new one',
        f"  - {{match: {flow(old.head)}, lr_mult: 1}}",
    ]
    steps = [f"- {flow(step)}" for step in old.steps]
    found = replace(found, channels=channels)
    return _image_solver(found, net, (height, width), batch, "accuracy", steps, "0.001", start)


def _image_solver(
    found: Images, net: str, size: Size, batch: int, score: str, values: list[str], rate: str, start: list[str]
) -> str:
    """A solver for images; `values` are the transforms of values, `start` the lines on the weights to begin with."""
    fields = ", color: gray" if found.channels == 1 else ""
    fields += ", on_error: skip" if found.broken else ""
    sources = {part: f"{{type: ImageFolder, folder: {flow(path)}{fields}}}" for part, path in found.parts.items()}
    side = str(size[0]) if size[0] == size[1] else f"[{size[0]}, {size[1]}]"
    if found.size == size:
        pad = max(1, min(size) // 14)
        steps = [f"- {{type: Crop, size: {side}, pad: {pad}}}    # shifted by up to {pad} pixels"]
        steps += ["# - Mirror                         # where left and right mean the same"]
    else:
        steps = [f"- {{type: RandomResizedCrop, size: {side}, scale: [0.4, 1]}}"]
        steps += ["- Mirror                           # take it out where left and right differ, as in writing"]
    feeds = _feeds(sources, batch, "$images", True, found.least)
    lengths = _lengths(_epochs(found.samples, batch, 20, 60))
    facts = {"found": found, "net": net, "rate": rate, "best": _best(sources, score)}
    text = _filled("images_solver", steps=_lines([*steps, *values]), feeds=feeds, **facts, **lengths)
    return "\n".join([text.rstrip("\n"), *start, ""])


def table_net(found: Table, name: str, batch: int) -> str:
    """A perceptron over the features of a table; classes or a number at its end."""
    units = 64 if found.rows < 20_000 else 256
    template, classes = ("mlp", {"classes": len(found.classes)}) if found.classes else ("mlp_regression", {})
    return _filled(template, found=found, name=name, features=found.features, batch=batch, units=units, **classes)


def table_solver(found: Table, net: str, batch: int) -> str:
    """Training on a table: features scaled by their mean and deviation, and a number that is to be met too."""
    source = [f"type: {found.kind}", f"file: {flow(found.file)}"]
    source += [f"{name}: {flow(value)}" for name, value in found.fields.items()]
    source += [f"{'label' if found.classes else 'target'}: {flow(found.target)}"]
    source += [f"categories: {_list(found.categories)}"] if found.categories else []
    source += [f"ignore: {_list(found.left)}    # names of rows, dates or texts"] if found.left else []
    filled = found.fields.get("missing") == "keep"
    steps = ["- FillMissing                      # with the mean of the training rows"] if filled else []
    steps += ["- {type: Normalize, computed: feature}"]
    if not found.classes:
        steps += [
            "- {type: Normalize, computed: feature, output: 1}   # scores and predictions are in the table's units"
        ]
    feeds = _feeds({"all": f"\n{_lines(source, 6)}"}, batch, "$rows", bool(found.classes), found.least)
    lengths = _lengths(_epochs(found.rows, batch, 30, 200))
    score = "accuracy" if found.classes else "loss"
    return _filled("table_solver", found=found, net=net, steps=_lines(steps), feeds=feeds, score=score, **lengths)


def text_net(found: Characters, name: str, batch: int, steps: int) -> str:
    """A recurrent net that predicts each next character."""
    return _filled("sequence", found=found, name=name, characters=found.different + 1, batch=batch, steps=steps)


def text_solver(found: Characters, net: str, batch: int, steps: int) -> str:
    """Training on a text, whose end is kept for tests."""
    epochs = _epochs(found.length // steps, batch, 2, 50)
    return _filled("text_solver", found=found, net=net, file=flow(found.file), batch=batch, steps=steps, epochs=epochs)


def _filled(template: str, **values: object) -> str:
    """A template with a value for each @word@ in it."""
    path = Path(__file__).parent / "templates" / f"{template}.yaml"
    return re.sub(r"@(\w+)@", lambda gap: str(values[gap[1]]), path.read_text(encoding="utf-8"))


def _feeds(sources: Mapping[str, str], batch: int, transform: str, classes: bool, least: int) -> str:
    """The `data` of a solver: one source that is split, or a source for each feed.

    Parts get equal shares of each class, if the smallest has a sample for each.
    """
    lines = ["data:"]
    whole = sources.get("all")
    if whole is not None:
        shares = ", ".join(f"{name}: {share:g}" for name, share in SHARES.items())
        few = classes and least < len(SHARES)
        alike = ", with equal shares of each class" if classes and not few else ""
        gap = "" if whole.startswith("\n") else " "
        lines += ["  all:", f"    source:{gap}{whole}", f"    split: {{{shares}}}    # at random{alike}"]
        lines += ["    stratify: false    # a class has too few samples for equal shares"] if few else []
    for name in sources if whole is None else SHARES:
        own = f"source: {sources[name]}, " if whole is None else ""
        size = batch if name == "train" else 2 * batch
        lines.append(f"  {name}: {{{own}batch_size: {size}, transform: {transform}}}")
    return "\n".join(lines)


def _best(sources: Mapping[str, str], score: str) -> str:
    """By which test the best weights are kept: never by the test set."""
    if "all" in sources or "validation" in sources:
        return f"best: {{metric: validation/{score}}}       # kept as snapshots/best.safetensors"
    return "# no samples for `validation`, so the weights of the last iteration are the ones to use"


def _epochs(samples: int, batch: int, least: int, most: int) -> int:
    """Epochs that make about 1,500 iterations."""
    return min(most, max(least, ceil(1500 / max(1, ceil(SHARES["train"] * samples / batch)))))


def _lengths(epochs: int) -> dict[str, object]:
    """The epochs of a training, and between its tests: some twenty tests in all."""
    between = max(1, round(epochs / 20))
    return {"epochs": epochs, "between": counted(between, "epoch")}


def _lines(lines: Sequence[str], spaces: int = 4) -> str:
    return "\n".join(f"{' ' * spaces}{line}" for line in lines)


def _list(words: Sequence[str]) -> str:
    return f"[{', '.join(map(flow, words))}]"
