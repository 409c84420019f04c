"""The files that an import writes: a net or solver in YAML, and the weights of a net beside it."""

from __future__ import annotations

from pathlib import Path

from netspec.core.errors import UsageError
from netspec.core.outputs import refuse_existing
from netspec.language.foreign import PROTOTXT

WEIGHTS = ".safetensors"
_TO_CAFFE = "say `-o NAME.yaml`; `netspec export caffe` writes prototxts"


def places(output: Path, weighted: bool, force: bool) -> list[Path]:
    """The paths of the YAML and, where there are weights, of these. Nothing is written yet.

    Raises ExistsError for what is there already, unless `force` says so; UsageError where both would be one file.
    """
    paths = [output, output.with_suffix(WEIGHTS)] if weighted else [output]
    if output.suffix == WEIGHTS:
        raise UsageError(f"'{output}' is a name of weights, and the net is YAML", help="say `-o NAME.yaml`")
    if output.suffix.lower() in PROTOTXT:
        raise UsageError(f"'{output}' would be read as a prototxt, and what is written is YAML", help=_TO_CAFFE)
    if not force:
        for path in paths:
            refuse_existing(path, "say another --output, or --force to write over it; nothing was written")
    return paths
