"""Words of Caffe and other programs that netspec writes otherwise, or does not have: for the help lines of errors.

Names that other programs give a field stand at the field (`Aka`). Here stand keys whose value belongs elsewhere or
nowhere; `choices` has words for layer types, fillers and other choices. Case, hyphens and underscores do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from netspec.language.choices import ABSENT, KINDS, WARMUP
from netspec.language.words import hint

_INPUT = "write a layer: {name: data, type: Input, shape: [64, 1, 28, 28]}"
_CPU = "netspec trains on the CPU; leave it out"
_SOLVER = "it belongs to the solver, a file of its own: see `netspec zoo show lenet --solver`"
_LOSS = "the loss is a layer of the net: {name: loss, type: SoftmaxWithLoss, bottom: [scores, label]}"
_METRIC = (
    "a metric is a layer of the net: {name: accuracy, type: Accuracy, bottom: [scores, label], include: {phase: TEST}}"
)
_BOTTOM = "it follows from the bottom; leave it out"
_EPOCH = "an epoch is samples / (batch_size * iter_size) iterations; leave it out"
_STOPPING = "it belongs to an early stop: `early_stop: {patience: 5, min_gain: 0.001, metric: validation/accuracy}`"
_BEST = "say `best: {metric: validation/accuracy}`: snapshots/best.safetensors holds the weights of the best test"
_TRAIN = "data stand below `data:`: `data: {train: {source: ..., batch_size: 64}, test: {...}}`"
_HELD_OUT = (
    "say `data: {all: {source: ..., split: {train: 0.9, validation: 0.1}}, ...}`; feeds without a source take a part"
)
_FOLDS = "say `data: {all: {source: ..., split: ...}}`, and `netspec crossval SOLVER --folds 5`"
_THREADS = "batches are prepared beside the training; leave it out"
_NORM = "it is a layer of its own, below this one: {name: bn1, type: BatchNorm, affine: true}"
_DECAY = "`weight_decay` stands in the solver; `param: [{decay_mult: 0}]` exempts a param"
_RUN = "a run writes into one folder: say `--output DIR` on the command line"
_BETAS = "they are `momentum: 0.9` and `momentum2: 0.999` of Adam and its kin"


LAYER = {
    **dict.fromkeys(
        ("in_channels", "in_features", "in_dim", "input_dim", "input_channels", "num_features", "num_input"), _BOTTOM
    ),
    **dict.fromkeys(("batch_norm", "bn", "norm", "batch_normalization"), _NORM),
    **dict.fromkeys(
        ("trainable", "frozen", "freeze", "requires_grad"), "`param: [{lr_mult: 0}, {lr_mult: 0}]` freezes its params"
    ),
    **dict.fromkeys(("lr", "learning_rate"), "`param: [{lr_mult: 2}]` is a factor on the solver's rate"),
    **dict.fromkeys(
        ("weight_decay", "regularizer", "kernel_regularizer", "bias_regularizer", "weight_regularizer"), _DECAY
    ),
    **dict.fromkeys(("data_format", "layout"), "blobs are N, C, H, W; leave it out"),
    "activation": "it is a layer of its own, below this one: {name: relu1, type: ReLU}",
    "batch_first": "sequences are T x N x ..., steps first; turn others: {name: turned, type: Permute, order: [1, 0]}",
    "blobs_lr": "say `param: [{lr_mult: 1}, {lr_mult: 2}]`",
    "ceil_mode": "say `round_mode: CEIL`, or `round_mode: FLOOR`",
    "debug_info": "the solver has it, for all layers of a net",
    "dropout": "it is a layer of its own, below this one: {name: drop1, type: Dropout, dropout_ratio: 0.5}",
    "input_shape": "an Input layer says it: {name: data, type: Input, shape: [64, 1, 28, 28]}",
    "padding_mode": "borders are zeros; others are a layer above: {name: pad1, type: Pad, pad: 1, mode: reflect}",
    **dict.fromkeys(("num_channels", "normalized_shape"), _BOTTOM),
    **dict.fromkeys(
        ("return_sequences", "return_state"), "the top has every step; `expose_hidden: true` adds the last states"
    ),
    "padding_idx": "every index has a row of its own; leave it out",
    "phase": "say `include: {phase: TEST}`",
    "share_in_parallel": "netspec trains in one process; leave it out",
    "reduction": "say `normalization:` VALID, FULL, BATCH_SIZE or NONE, and `loss_weight:` for a factor",
    "transform_param": "transforms stand in the solver's `data:`",
}
"""Keys of other programs' layers, to a help line."""

_FEED = {
    **dict.fromkeys(("validation_split", "val_split"), _HELD_OUT),
    **dict.fromkeys(("num_workers", "workers", "prefetch", "pin_memory", "persistent_workers"), _THREADS),
    "drop_last": "an epoch goes on in the next batch, and a test has each sample once; leave it out",
    **dict.fromkeys(
        ("path", "root", "folder", "file", "files", "split", "images", "labels"),
        "it belongs to the source: `source: {type: Idx, images: FILE, labels: FILE}`",
    ),
    **dict.fromkeys(
        ("mean", "std", "normalize", "crop_size", "mirror", "scale"),
        "it is a transform: `transform: [{type: Normalize, computed: true}, {type: Crop, size: 24}, Mirror]`",
    ),
}

SOLVER = {
    **dict.fromkeys(("accelerator", "cuda", "device", "device_id", "gpu", "gpus", "solver_mode", "use_gpu"), _CPU),
    **dict.fromkeys(("iterations_per_epoch", "limit_train_batches", "steps_per_epoch"), _EPOCH),
    **dict.fromkeys(("min_delta", "monitor", "patience", "restore_best_weights"), _STOPPING),
    **dict.fromkeys(("keep_best_only", "load_best_model_at_end", "metric_for_best_model", "save_best_only"), _BEST),
    **dict.fromkeys(
        ("limit_val_batches", "validation_steps"), "say `test_iter:` below `validation:` or `test:` of `data:`"
    ),
    **dict.fromkeys(("warmup_epochs", "warmup_factor", "warmup_iters", "warmup_ratio", "warmup_steps"), WARMUP),
    **dict.fromkeys(("loss", "loss_fn", "loss_function", "criterion"), _LOSS),
    **dict.fromkeys(("metric", "metrics", "accuracy"), _METRIC),
    **dict.fromkeys(("batch_size", "batch"), "put it below `train:` and `test:` of `data:`"),
    **dict.fromkeys(
        ("transform", "transforms", "augment", "augmentation", "augmentations", "preprocessing"),
        "put a list `transform:` below `train:` and `test:` of `data:`",
    ),
    **dict.fromkeys(("train", "train_data", "train_set", "training", "source"), _TRAIN),
    **dict.fromkeys(
        ("eval", "val", "val_data", "valid", "validation", "validation_data"),
        "what a training is watched by stands in `data: {validation: ...}`",
    ),
    **dict.fromkeys(
        ("test", "test_data", "tests"),
        "what a net is tested on stands in `data:`: `test:`, and further sets in `tests: {name: ...}`",
    ),
    **dict.fromkeys(("cross_validation", "cv", "folds", "k_fold", "kfold", "n_folds", "n_splits"), _FOLDS),
    **dict.fromkeys(("validation_split", "val_split", "valid_fraction", "validation_fraction"), _HELD_OUT),
    **dict.fromkeys(("num_workers", "workers", "prefetch", "pin_memory"), _THREADS),
    **dict.fromkeys(
        ("amp", "bf16", "fp16", "mixed_precision", "precision"), "netspec trains in float32; `dtype: float64` is there"
    ),
    **dict.fromkeys(("mixup", "cutmix", "cutout"), "it is a transform below `train:` of `data:`: MixUp, CutMix, Erase"),
    **dict.fromkeys(("ema", "ema_decay", "use_ema"), "say `average: {type: ema, decay: 0.999}`"),
    **dict.fromkeys(("swa", "swa_start", "use_swa"), "say `average: {type: swa, start: 1000, every: 100}`"),
    **dict.fromkeys(("clipvalue", "clip_value", "clip_grad_value"), "say `clip_gradients: {type: value, limit: 0.5}`"),
    **dict.fromkeys(
        ("label_smoothing", "class_weights"),
        "it is a field of the net's loss: SoftmaxWithLoss, SigmoidCrossEntropyLoss",
    ),
    **dict.fromkeys(("distributed", "num_nodes", "strategy", "sync_bn"), "netspec trains on one machine; leave it out"),
    **dict.fromkeys(("beta1", "beta_1", "beta2", "beta_2", "betas"), _BETAS),
    "amsgrad": "netspec does not have it; leave it out",
    **dict.fromkeys(("decoupled_weight_decay", "weight_decouple"), "say `type: AdamW`"),
    **dict.fromkeys(("etas", "step_sizes"), "Rprop has them one by one: `grow`, `shrink`, `step_min`, `step_max`"),
    "nus": "QHAdam has them one by one: `nu`, `nu2`",
    **dict.fromkeys(
        ("step_size", "lr_decay", "decay_rate", "lr_step"),
        "it belongs to the policy: `lr_policy: {type: step, gamma: 0.1, stepsize: 1000}`",
    ),
    **dict.fromkeys(
        ("milestones", "lr_steps"), "say `lr_policy: {type: multistep, gamma: 0.1, stepvalue: [1000, 2000]}`"
    ),
    **dict.fromkeys(
        ("t_max", "eta_min"), "it belongs to the policy: `lr_policy: {type: cosine, length: 20 epochs, min_lr: 0.001}`"
    ),
    **dict.fromkeys(
        ("logger", "wandb", "mlflow"),
        "a run's figures are in its folder, metrics.csv and metrics.jsonl; say `tensorboard: true` for TensorBoard",
    ),
    **dict.fromkeys(
        ("output", "output_dir", "save_dir", "log_dir", "logdir", "run_dir", "project", "snapshot_prefix"), _RUN
    ),
    **dict.fromkeys(("train_net", "test_net"), "one net file serves every phase: say `net:`"),
    **dict.fromkeys(("blocks", "defaults"), "they belong to the net"),
    "callbacks": "netspec has none: `test_interval`, `snapshot` and `display` say what is done when",
    "data.batch_size": "put it below `train:` or `test:`",
    "data.source": "put it below `train:` or `test:`",
    "data.transform": "put it below `train:` or `test:`",
    **{f"data.{feed}.{key}": help for feed in ("train", "validation", "test") for key, help in _FEED.items()},
    **dict.fromkeys(("eps", "epsilon"), "it is `delta` of RMSProp, Adam and other solver types that divide by a root"),
    **dict.fromkeys(("alpha", "rho"), "it is `rms_decay` of RMSProp, `momentum` of AdaDelta"),
    "deterministic": "every training is; leave it out",
    "dropout": "it is a layer of the net: {name: drop1, type: Dropout, dropout_ratio: 0.5}",
    "l1": "say `regularization_type: L1`, and `weight_decay:` for its strength",
    "name": "a run is called after its solver file; `--output DIR` chooses its folder",
    "nesterov": "say `type: Nesterov`",
    "optimizer": "say `type:`, like `type: SGD`, its fields beside it",
    "resume": "say `--resume` on the command line",
    "shuffle": "put it below `train:` of `data:`",
    "snapshot_format": "snapshots are safetensors files; leave it out",
    "solver_type": "say `type:`",
    "test_compute_loss": "a test has every loss of the net; leave it out",
    "verbose": "`display:` is how often progress is shown; `--quiet` shows none",
}
"""Keys of other programs' solvers, dotted where they stand deeper, to a help line."""

_OWN = """base_lr best data delta display early_stop early_stopping epoch epochs learning_rate lr lr_policy max_epoch
 max_epochs max_iter momentum momentum2 n_epochs num_epochs random_seed rms_decay scheduler seed snapshot type"""

NET = {
    **dict.fromkeys((*(key for key in SOLVER if "." not in key), *_OWN.split()), _SOLVER),
    **dict.fromkeys(("input", "input_shape", "input_dim", "input_size", "inputs"), _INPUT),
    **dict.fromkeys(("loss", "loss_fn", "criterion"), _LOSS),
    **dict.fromkeys(("metric", "metrics", "accuracy"), _METRIC),
    **dict.fromkeys(("backbone", "neck", "head", "model", "modules"), "a net is one list: `layers:`"),
    **dict.fromkeys(("batch_size", "batch"), "it is the first axis of the Input, or `batch_size` in the solver's data"),
    **dict.fromkeys(
        ("num_classes", "classes", "nc"),
        "it is `num_output` of the last layer; to name it: `vars: {classes: 10}`, `num_output: $classes`",
    ),
    "state": "say `--phase` on the command line",
}
"""Keys of other programs' nets, to a help line."""


def key_help(path: str, table: Mapping[str, str]) -> str | None:
    """The help line for a dotted key of another program; `table` is NET, LAYER or SOLVER."""
    above, _, name = path.rpartition(".")
    return _folded_table(tuple(table.items())).get(f"{above}.{_folded(name)}".lstrip("."))


def word_help(kind: str, word: str, known: Iterable[str]) -> str | None:
    """The help line for an unknown word where a choice of a kind (layer type, filler, ...) is made."""
    names, short = set(known), word.rpartition(".")[2]
    for spelling in (_folded(short), re.sub("[123]d$", "", _folded(short))):
        other = _folded_table(tuple(KINDS.get(kind, {}).items())).get(spelling)
        if other in names:
            return f"say '{other}'"
        absent = _folded_table(tuple(ABSENT.get(kind, {}).items())).get(spelling)
        if absent:
            return absent
    return hint(short or word, names)


@cache
def _folded_table(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """A table whose keys have no capitals, hyphens and underscores in their last part."""
    parts = ((key.rpartition("."), help) for key, help in items)
    return {f"{above}{dot}{_folded(name)}": help for (above, dot, name), help in parts}


def _folded(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")
