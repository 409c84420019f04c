"""An update by hand: with the gradients as they are, which a caller has made or changed. Source: Caffe ApplyUpdate."""

from __future__ import annotations

from netspec.core.errors import UsageError
from netspec.engine.program import Program
from netspec.training.blame import NotFiniteLossError
from netspec.training.session import Session
from netspec.training.solvers.base_driving import DrivingRule


def apply_update(session: Session) -> None:
    """Change the params of a training by their gradients, and count an iteration.

    Raises NotFiniteLossError where a gradient is not finite, and UsageError for solver types that drive passes.
    """
    program, spec, iteration = session.train, session.spec, session.iteration
    if isinstance(spec.rule, DrivingRule):
        raise UsageError(f"the solver type {type(spec.rule).__name__} makes its own gradients", help="call step()")
    measure(program)
    program.rate[0] = session.rate
    program.share[0] = spec.average.share(iteration + 1, session.pace) if spec.average else 0.0
    program.clock[:] = iteration, 0
    program.run("resume", "resume")  # stored params stay as they are now
    program.run("suspend", "commit")
    if session.iteration == iteration:
        raise NotFiniteLossError("a gradient or the loss is not finite, so that no param was changed")
    session.shift -= spec.iter_size  # an update reads no data


def measure(program: Program) -> None:
    """Sum the squares of gradients that backward itself sums, as a caller may have changed them since."""
    import numpy as np

    for row, param in zip(program.squares, program.squared, strict=True):
        diff = program.weights.diff[param]
        assert diff is not None
        row[:] = 0.0
        row[0] = float(np.sum(np.square(diff, dtype=np.float64)))
