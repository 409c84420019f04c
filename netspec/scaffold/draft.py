"""From what was found to the two files: which net, of which size, with which batches."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from netspec.core.errors import UsageError
from netspec.scaffold import texts
from netspec.scaffold.finetune import trunk
from netspec.scaffold.found import Characters, Found, Images, Size, Table


class WrongTemplateError(UsageError):
    """A template is for other data than those that were found."""

    code = "NS669"


class Template(StrEnum):
    """Kinds of nets to begin with."""

    auto = "auto"
    lenet = "lenet"
    residual = "residual"
    autoencoder = "autoencoder"
    mlp = "mlp"
    sequence = "sequence"
    finetune = "finetune"


class Draft(NamedTuple):
    """The texts of a net and of its solver."""

    net: str
    solver: str


SMALL = 40
"""Images whose shorter side is at most this get LeNet's plan, larger ones a residual net."""

FITTING: dict[type[Found], tuple[Template, ...]] = {
    Images: (Template.lenet, Template.residual, Template.autoencoder, Template.finetune),
    Table: (Template.mlp,),
    Characters: (Template.sequence,),
}
"""The templates that fit what was found."""


def draft(found: Found, name: str, template: Template = Template.auto, weights: Path | None = None) -> Draft:
    """The texts for what was found; the net is in the file `NAME_net.yaml`.

    `weights` are those of a trained net, a snapshot or a run folder, for the template finetune. Raises
    WrongTemplateError, UnfitTrunkError.
    """
    if weights is not None and template is Template.auto:
        template = Template.finetune
    if (template is Template.finetune) != (weights is not None):
        raise WrongTemplateError("finetune goes on from trained weights: it takes --weights, and no other does")
    fitting = FITTING[type(found)]
    if template not in {Template.auto, *fitting}:
        text = f"the template '{template}' does not fit what was found: {found}"
        raise WrongTemplateError(text, help=f"take {' or '.join(fitting)}, or leave --template out")
    file, title = f"{name}_net.yaml", _title(name)
    if isinstance(found, Table):
        batch = _batch(found.rows)
        return Draft(texts.table_net(found, title, batch), texts.table_solver(found, file, batch))
    if isinstance(found, Characters):
        lanes = 32 if found.length >= 200_000 else 8
        steps = 64 if found.length >= 20_000 else 16
        return Draft(texts.text_net(found, title, lanes, steps), texts.text_solver(found, file, lanes, steps))
    size, batch = _size(found), _batch(found.samples)
    if weights is not None:
        old = trunk(weights, title, len(found.classes))
        return Draft(old.net, texts.finetune_solver(found, file, batch, old))
    if template is Template.auto:
        template = Template.lenet if min(size) <= SMALL else Template.residual
    if template is Template.autoencoder:
        size = (4 * (size[0] // 4), 4 * (size[1] // 4))
    score = "loss" if template is Template.autoencoder else "accuracy"
    net = texts.image_net(template.value, found, title, size, batch)
    return Draft(net, texts.image_solver(found, file, size, batch, score))


def _size(found: Images) -> Size:
    """Height and width that the net sees: those of the images, unless they differ or are large."""
    if found.size and max(found.size) <= 96 and min(found.size) >= 8:
        return found.size
    side = 32 if found.short <= SMALL else 64 if found.short <= 96 else 128
    return side, side


def _batch(samples: int) -> int:
    """Larger batches where there are more samples, so that small data still make many updates an epoch."""
    return next((batch for limit, batch in ((500, 16), (5000, 32)) if samples < limit), 64)


def _title(name: str) -> str:
    """The name of the net: my-photos -> MyPhotos."""
    words = re.findall(r"[^\W_]+", name)
    return "".join(word[0].upper() + word[1:] for word in words) or "Net"
