"""Random names that look like what programs write themselves, and small nets that bear them."""

from __future__ import annotations

import random
from typing import Any

PIECES = [
    *"aAb./:#=-*_|,;'\"`~&{}$%\\?@0é ",
    *(".weight", ".bias", "weight", "history", "history.0:", "history.0:a.weight", "__metadata__", "data", "label"),
    *("..", "//", "#1", "--", "[0]", "[1]", "[bold]", "[/]", "<b>", "{bottom[0]}", "$$", "$a", "${x}", "%s", "\\n"),
    *("**", "__", "''", "\n", "\r", "\t", "\x1b[31m", "\x00", "\x7f", "\u2028", "\u202e", "\xa0", "e\u0301", "カ"),
    *("😀", ":smile:", "1e3", "null", "true", "loss", "iter", "samples", "!x", "#c", "- ", "  "),
]


def name(rng: random.Random) -> str:
    return "".join(rng.choice(PIECES) for _ in range(rng.choice((1, 1, 2, 3, 5))))


def names(rng: random.Random, count: int) -> list[str]:
    """Names that all differ, some in case or by a piece alone."""
    found: dict[str, None] = {}
    while len(found) < count:
        base = rng.choice([*found, ""]) if rng.random() < 0.3 else ""
        one = rng.choice([base.swapcase(), base + rng.choice(PIECES), base or name(rng)])
        if one:
            found[one] = None
    return list(found)


def written(text: str) -> str:
    """A name as a net file has it: a dollar sign is written as two."""
    return text.replace("$", "$$")


def net(rng: random.Random) -> dict[str, Any]:
    """A net of random names, whose layers share params at random. Its labels are 0 to 2, its inputs 2x3."""
    drawn = [written(one) for one in names(rng, 16)]
    layer, blob, shared = drawn[:8], drawn[8:14], rng.sample(drawn, 2)
    layers: list[dict[str, Any]] = [{"name": layer[0], "type": "Input", "top": blob[:2], "shape": [[2, 3], [2]]}]
    bottom = blob[0]
    for index, outputs in enumerate((4, 4, 4, 3), 1):
        params = [{"name": rng.choice(shared) + kind} if rng.random() < 0.5 else {} for kind in ("w", "b")]
        layers.append(
            {
                "name": layer[index],
                "type": "InnerProduct",
                "bottom": bottom,
                "num_output": outputs,
                "weight_filler": "xavier",
                "param": params if outputs == 4 and index > 1 else [],
            }
        )
        bottom = layer[index]
        if rng.random() < 0.5:
            bottom = layers[-1]["top"] = blob[index + 1]
    for index, (kind, include) in enumerate((("Accuracy", {"phase": "TEST"}), ("SoftmaxWithLoss", None)), 5):
        layers.append(
            {
                "name": layer[index],
                "type": kind,
                "bottom": [bottom, blob[1]],
                **({"include": include} if include else {}),
            }
        )
    return {"name": written(name(rng)), "layers": layers}
