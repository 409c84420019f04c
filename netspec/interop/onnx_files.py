"""ONNX files: the libraries that read, check and run them, and the names under which they tell of netspec.

Source: the ONNX specification, IR version 8 with operator set 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.errors import UsageError
from netspec.core.optional import library

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netspec.core.calls import Array

OPSET, IR = 17, 8
"""The versions of the operator set and of the file format in which nets are written."""
EXTRA = "onnx"
"""The extra of netspec that brings the libraries."""
DIGEST, CLASSES = "netspec.digest", "netspec.classes"
"""Keys of a file's metadata: the digest of the net, and its class names as a JSON list."""
MOST_BYTES = 2**31 - 1
"""The most bytes of a file whose weights lie inside it, as protobuf reads no more."""


class RuntimeRefusedError(UsageError):
    """onnxruntime cannot load or run a model."""

    code = "NS751"


def onnx(wanted: str) -> Any:
    """The module onnx, with its helpers. `wanted` says what needs it. Raises NoLibraryError."""
    for part in ("checker", "helper", "numpy_helper", "shape_inference"):
        library(f"onnx.{part}", EXTRA, wanted)
    return library("onnx", EXTRA, wanted)


def session(model: bytes | Path, name: str) -> Any:
    """A session of onnxruntime that runs a model on the CPU; `name` is the model's, for errors.

    Raises NoLibraryError, RuntimeRefusedError.
    """
    runtime = library("onnxruntime", EXTRA, "running an ONNX file")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised, and shown by netspec
    try:
        return runtime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no base of their own
        raise _refused("load", name, error) from None


def run(running: Any, inputs: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The outputs of a session by name. Raises RuntimeRefusedError."""
    names = [one.name for one in running.get_outputs()]
    try:
        return dict(zip(names, running.run(names, dict(inputs)), strict=True))
    except Exception as error:
        raise _refused("run", name, error) from None


def _refused(verb: str, name: str, error: Exception) -> RuntimeRefusedError:
    return RuntimeRefusedError(f"onnxruntime cannot {verb} '{name}': {' '.join(str(error).split())[:300]}")
