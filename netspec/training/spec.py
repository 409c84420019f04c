"""Document to SolverSpec: the solver file as it was written, without its net."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from netspec.core.calls import Phase
from netspec.core.counts import AnyCount, Count, Pace, PositiveCount, Switch
from netspec.core.errors import Findings, SpecError
from netspec.core.model import Aka, Bounds, Listed, Model, known_as, wrong
from netspec.core.nodes import Document, locate
from netspec.core.rooms import UnknownWord
from netspec.core.spelling import enumerated, suggest
from netspec.data.spec import FeedSpec, FeedsSpec
from netspec.language import elsewhere, words
from netspec.language.validate import (
    MissingFieldError,
    Subject,
    UnknownWordError,
    WrongTypeError,
    drop,
    head,
    say,
    validate,
)
from netspec.net.spec import typo
from netspec.training.amounts import Bytes, Seconds
from netspec.training.averages.base import AnyAverage
from netspec.training.clip import AnyClip
from netspec.training.course import Course
from netspec.training.goals import Best, EarlyStop
from netspec.training.loop import AnyLoop
from netspec.training.noise import GradientNoise
from netspec.training.patterns import ParamsPattern
from netspec.training.policies.base import AnyPolicy
from netspec.training.regularizers.base import AnyRegularizer
from netspec.training.regularizers.l2 import L2
from netspec.training.solvers.base import SOLVERS, UpdateRule
from netspec.training.solvers.base_driving import DrivingRule
from netspec.training.warmup import Warmup
from netspec.training.weight_files import AnyWeightFiles


class UnusedFieldError(SpecError):
    """A field that every solver has is written for a type that has no use for it."""

    code = "NS546"


class TestNet(Model):
    """A net that is tested during a training, on the data that it brings, with the weights of the training."""

    net: str | dict[str, Any] | None = Field(
        None, description="A net file, or a net; left out: the solver's own. Layers share weights by their names."
    )
    stage: Listed[str] = Field((), description="Stages that its include and exclude rules see.")
    level: int = Field(0, description="Level that its include and exclude rules see.")
    test_iter: Annotated[int, Bounds(gt=0)] | None = Field(
        None, description="Batches of a test; left out: every sample of its data exactly once."
    )


class SolverSpec(Model):
    """A training as it was written, apart from its net and the fields of its solver type."""

    data: Annotated[FeedsSpec, Aka("dataset")] = Field(
        FeedsSpec(), description="What feeds the net's Input tops, in order."
    )
    base_lr: Annotated[float, Bounds(ge=0), Aka("learning_rate", "lr")] = Field(
        description="Learning rate before the policy."
    )
    lr_policy: Annotated[AnyPolicy, Aka("lr_schedule", "scheduler")] = Field(
        description="The rate as a function of the iteration."
    )
    warmup: Annotated[Warmup | None, Aka("burn_in", "lr_warmup")] = Field(
        None, description="A rise to the policy's rate at the beginning."
    )
    max_iter: Annotated[int | None, Aka("iterations", "max_steps", "num_iterations", "steps", "total_steps")] = Field(
        None, ge=0, le=10**15, description="Iterations to train; left out: `max_epoch` ends the training."
    )
    max_epoch: Annotated[int | None, Aka("epoch", "epochs", "max_epochs", "n_epochs", "num_epochs", "total_epochs")] = (
        Field(
            None,
            gt=0,
            le=10**9,
            description="Epochs to train; where `max_iter` is given too, the first that is reached.",
        )
    )
    max_time: Annotated[Seconds | None, Aka("max_seconds", "time_budget", "time_limit", "timeout")] = Field(
        None,
        description="Time after which the training ends with a snapshot and exit code 8: 8h, 90m, 1h30m, or seconds; "
        "that of all resumes in a run folder counts.",
    )
    max_rss: Annotated[Bytes | None, Aka("max_memory", "memory_limit", "ram_limit")] = Field(
        None,
        description="Memory of the process at which the training ends with a snapshot and exit code 8: 4 GiB, 500 MB.",
    )
    iter_size: Annotated[
        int,
        Aka("accumulate_grad_batches", "accumulation_steps", "gradient_accumulation", "gradient_accumulation_steps"),
    ] = Field(1, gt=0, le=10**9, description="Batches whose gradients are added before one update.")
    weight_decay: Annotated[float, Bounds(ge=0), Aka("decay", "l2")] = Field(
        0.0, description="Strength of the regularizer."
    )
    regularization_type: AnyRegularizer = Field(
        L2(), description="The regularizer, which says what `weight_decay` means."
    )
    clip_gradients: Annotated[
        AnyClip | None,
        Aka(
            "clip",
            "clip_grad",
            "clip_norm",
            "clipnorm",
            "grad_clip",
            "gradient_clip_val",
            "gradient_clipping",
            "max_grad_norm",
        ),
    ] = Field(None, description="Limit of the summed gradient: its largest L2 norm, or {type, limit}.")
    gradient_noise: GradientNoise | None = Field(None, description="Normal noise on gradients: {eta, gamma}.")
    params: Annotated[Listed[ParamsPattern], Aka("param_groups", "paramwise_cfg", "freeze")] = Field(
        (), description="Settings of params by pattern; the last match wins, and beats a layer's own `param`."
    )
    average: Annotated[AnyAverage | None, Aka("weight_averaging", "model_averaging", "moving_average")] = Field(
        None, description="An average of the weights over the iterations, kept beside them."
    )
    test_average: bool = Field(False, description="Tests during the training look at the averaged weights.")
    test_interval: Annotated[PositiveCount | None, Aka("eval_every", "eval_interval", "test_every", "val_interval")] = (
        Field(None, description="Iterations or epochs between tests; left out: only at the end.")
    )
    test_iter: Annotated[int, Bounds(gt=0)] | None = Field(
        None, description="Batches of a test; left out: every test sample exactly once."
    )
    test_nets: dict[str, TestNet] = Field(
        {}, description="Nets to test by name, in place of the net's own TEST phase: {net, stage, level, test_iter}."
    )
    loop: AnyLoop | None = Field(
        None,
        description="`caffe`: train and test in Caffe's way. A test is the plain mean over `test_iter` batches, which "
        "go on where those of the last test ended; the trained net is tested, and passed forward once more, only where "
        "an interval ends with it. Left out: a test has each sample once, and the trained net is tested.",
    )
    test_initialization: bool = Field(True, description="Test once before the first iteration.")
    best: Annotated[Best | None, Aka("checkpoint_best", "keep_best", "save_best")] = Field(
        None, description="By which score the best weights are kept, in snapshots/best.safetensors; left out: none are."
    )
    early_stop: Annotated[EarlyStop | None, Aka("early_stopping")] = Field(
        None, description="When the training ends because its score has not become better; left out: never."
    )
    display: Annotated[AnyCount, Aka("log_every", "log_interval", "print_freq")] = Field(
        Count(0), description="Iterations or epochs between progress lines; 0: none."
    )
    debug_info: Switch = Field(
        False,
        description="Sizes of every blob, param, gradient and update: true shows them with each progress line, a count "
        "at an interval of their own.",
    )
    average_loss: int = Field(1, gt=0, le=1_000_000, description="Losses that the displayed one is the mean of.")
    snapshot: Annotated[
        AnyCount, Aka("checkpoint_every", "checkpoints", "checkpoint_interval", "save_every", "save_interval")
    ] = Field(Count(0), description="Iterations or epochs between snapshots; 0: only at the end.")
    snapshot_keep: int = Field(3, gt=0, description="How many of the latest snapshots are kept.")
    tensorboard: bool = Field(
        False, description="Also write the figures of metrics.csv for TensorBoard, into the run folder."
    )
    snapshot_after_train: bool = Field(True, description="Write a snapshot after the last iteration.")
    snapshot_diff: bool = Field(
        False, description="Store the gradients of the last iteration in snapshots too, for other programs to look at."
    )
    random_seed: Annotated[int, Aka("seed")] = Field(
        1, ge=0, lt=2**63, description="Seed of fillers, shuffling, transforms and Dropout."
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="Number type of blobs and params.")
    weights: Annotated[AnyWeightFiles | None, Aka("checkpoint", "init_weights", "load_weights", "pretrained")] = Field(
        None, description="Snapshots to start from (fine-tuning): a path, paths, or {files, rename, strict}."
    )
    reached: dict[str, float] = Field(
        {}, description="Scores measured after this training, by the output's name; `netspec zoo list` shows them."
    )
    stage: Listed[str] = Field((), description="Stages that the nets' include and exclude rules see.")
    level: int = Field(0, description="Level that the nets' include and exclude rules see.")
    rule: UpdateRule = Field(exclude=True, description="The solver type with its own fields.")

    @model_validator(mode="after")
    def _trains(self) -> SolverSpec:
        for name in ("base_lr", "max_iter") if self.loop is None else ():
            if getattr(self, name) == 0:
                raise wrong(f"`{name}` must be more than 0, or nothing is trained", field=name)
        return self

    @model_validator(mode="after")
    def _has_an_average(self) -> SolverSpec:
        if self.test_average and self.average is None:
            help = "say `average: {type: ema, decay: 0.999}`, or leave it out"
            raise wrong("`test_average` needs an `average` of the weights", field="test_average", help=help)
        return self

    @model_validator(mode="after")
    def _is_shown(self) -> SolverSpec:
        if self.debug_info is True and not self.display:
            text, help = "`debug_info: true` needs a `display`", "say `display: 100`, or `debug_info: 100`"
            raise wrong(text, field="debug_info", help=help)
        return self

    def debugs(self, iteration: int, pace: Pace) -> bool:
        """Whether `debug_info` is due with an iteration."""
        every = self.display if self.debug_info is True else self.debug_info or Count(0)
        return bool(every) and every.ends(iteration, pace)

    def rate(self, iteration: int, course: Course) -> float:
        """The learning rate of an iteration: the policy's, times the factor of the warm-up."""
        factor = self.warmup.factor(iteration, course.pace) if self.warmup else 1.0
        return factor * self.lr_policy.rate(iteration, course)

    def feed(self, phase: Phase) -> FeedSpec | None:
        """The data of a phase."""
        return self.data.named(self.feed_name(phase))

    def feed_name(self, phase: Phase) -> str:
        """The name of a phase's feed: of TEST the one that `netspec test` looks at, or the first there is."""
        if phase == "TRAIN":
            return "train"
        return "test" if self.data.test else next(iter(self.data.scored), "test")

    @property
    def like_caffe(self) -> bool:
        """Whether the training goes in Caffe's way."""
        return self.loop is not None

    def test_batches(self, feed: str) -> int | None:
        """How many batches a test on a feed takes; None: every sample exactly once."""
        own = self.data.scored.get(feed)
        return self.test_iter if own is None or own.test_iter is None else own.test_iter


def solver_spec(document: Document, found: Findings) -> SolverSpec | None:
    """The SolverSpec of an expanded document, without its net; None when a field that everything needs is wrong."""
    root = document.root
    values = root.without("net").plain()
    word = values.pop("type", "SGD")
    known = set(SolverSpec.model_fields) | {"net", "type"}
    if "net" not in root.items and typo("net", root, known) is None:
        found.add(MissingFieldError("the solver has no `net`", at=head(root), help="like `net: lenet`"))
    cls: type[UpdateRule] | None = None
    if not isinstance(word, str):
        help = suggest("", SOLVERS.words())
        found.add(WrongTypeError(f"`type` must be a word, not {say(word)}", at=locate(root, "type"), help=help))
    else:
        try:
            cls = SOLVERS.get(word)
        except UnknownWord:
            help = elsewhere.word_help("solver type", word, SOLVERS.words())
            found.add(UnknownWordError(f"there is no solver type '{word}'", at=locate(root, "type"), help=help))
    owner = f"the solver ({word})" if cls else "the solver"
    fields = set(cls.model_fields) if cls else _all_fields()
    own = {key: values.pop(key) for key in list(values) if key in fields}
    rule = validate(Subject(cls, own, root, owner), found) if cls else None
    values = _used(Subject(cls, values, root, owner), found) if cls else values
    moved = elsewhere.SOLVER | _policy_fields(values) | _fields_of_others(values)
    hidden = [f"lr_policy.{key}" for key in words.POLICY_FIELDS if key in values]
    if not any(_length(key) for key in values):
        help = "say `max_epoch: 10` or `max_iter: 10000`; of both, the first that is reached ends the training"
        found.add(MissingFieldError(f"{owner} lacks `max_iter` or `max_epoch`", at=head(root), help=help))
    subject = Subject(
        SolverSpec,
        {**values, "rule": rule or UpdateRule()},
        root,
        owner,
        fields | {"net", "type"},
        moved,
        hidden,
        known_as(cls) if cls else {},
    )
    spec: SolverSpec | None = validate(subject, found)
    if spec is None or rule is None:
        return None
    if isinstance(rule, DrivingRule) and not spec.regularization_type.has_loss:
        text = f"{owner} has no use for a regularizer that is no part of the loss"
        found.add(
            UnusedFieldError(text, at=spec.place("regularization_type"), help="L1, L2 and ElasticNet are parts of it")
        )
    return spec


IDLE: dict[str, Any] = {"base_lr": 1.0, "lr_policy": "fixed"}
"""Values of required fields for which a solver type has no use."""


def _used(subject: Subject, found: Findings) -> dict[str, Any]:
    """A solver's values, with IDLE ones in the place of those that its type has no use for; if they are written, errors
    go to `found`, but for a `null` that drops nothing.
    """
    unused = subject.cls.unused
    for name in (name for name in unused if subject.values.get(name) is not None):
        without = [SOLVERS.word(member) for member in SOLVERS.members() if name in member.unused]
        help = f"all solver types have it but {enumerated(without)}"
        at = locate(subject.node, name, key=True)
        text = f"{subject.owner} has no use for `{name}`"
        found.add(UnusedFieldError(text, at=at, help=help + drop(subject, (name,))))
    kept = {name: value for name, value in subject.values.items() if name not in unused}
    return kept | {name: value for name, value in IDLE.items() if name in unused}


def _length(key: str) -> bool:
    """Whether a key says, rightly or in another spelling, how long to train."""
    return words.meant(key, SolverSpec.model_fields, known_as(SolverSpec)) in {"max_iter", "max_epoch"}


def _all_fields() -> set[str]:
    """The fields of all solver types, for suggestions when the type is unknown."""
    return {name for member in SOLVERS.members() for name in member.model_fields}


def _fields_of_others(values: dict[str, Any]) -> dict[str, str]:
    """Help lines for fields that only other solver types have."""
    types = {
        key: [SOLVERS.word(m) for m in SOLVERS.members() if key in m.model_fields]
        for key in values.keys() - SolverSpec.model_fields
    }
    return {key: _owners(of) for key, of in types.items() if of}


def _owners(having: list[str]) -> str:
    """Which solver types have a field: those that do, or all but those that do not, whichever are fewer."""
    lacking = [word for word in SOLVERS.words() if word not in having]
    if 0 < len(lacking) < len(having):
        return f"every solver type has it but {enumerated(lacking)}"
    return f"it belongs to the solver type{'s' * (len(having) > 1)} {enumerated(having)}"


def _policy_fields(values: dict[str, Any]) -> dict[str, str]:
    """Help lines for fields of a policy that stand beside `lr_policy`, as in Caffe."""
    written = {key: values[key] for key in words.POLICY_FIELDS if key in values}
    policy = values.get("lr_policy")
    inside = policy if isinstance(policy, dict) else {"type": policy if isinstance(policy, str) else "step"}
    fields = ", ".join(f"{key}: {say(value, bare=True)}" for key, value in {**inside, **written}.items())
    return dict.fromkeys(written, f"it belongs to the policy: `lr_policy: {{{fields}}}`")
