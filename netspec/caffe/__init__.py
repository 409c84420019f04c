"""pycaffe's names over netspec: `import netspec.caffe as caffe`.

Scripts for Caffe run with that one line changed. What the names mean stands at netspec's own: Net, Solver, and the
formats. There is no GPU: `set_mode_gpu` says so, and all is computed on the CPU.
"""

from __future__ import annotations

from netspec.caffe import io, net_spec, proto
from netspec.caffe.machine import (
    has_nccl,
    init_log,
    layer_type_list,
    log,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from netspec.caffe.net_spec import NetSpec, layers, params, to_proto
from netspec.caffe.nets import TEST, TRAIN, Net
from netspec.caffe.predicting import Classifier, Detector
from netspec.caffe.solvers import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

__all__ = [
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Classifier",
    "Detector",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "get_solver",
    "has_nccl",
    "init_log",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "net_spec",
    "params",
    "proto",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]
