"""Words of other programs: every answer names something that netspec has, whichever way the word is spelled."""

from __future__ import annotations

import re
from typing import Any

import pytest

from netspec.core.errors import NetspecError
from netspec.core.rooms import Room
from netspec.data.sources.base import SOURCES
from netspec.data.transforms.base import TRANSFORMS
from netspec.fillers.base import FILLERS
from netspec.language import choices, elsewhere
from netspec.language.document import parse
from netspec.layers.base import LAYERS
from netspec.net.load import load_net
from netspec.training.averages.base import AVERAGES
from netspec.training.job import load_solver
from netspec.training.policies.base import POLICIES
from netspec.training.regularizers.base import REGULARIZERS
from netspec.training.solvers.base import SOLVERS

ROOMS: dict[str, Room[Any]] = {
    room.kind: room for room in (AVERAGES, LAYERS, FILLERS, SOLVERS, POLICIES, REGULARIZERS, SOURCES, TRANSFORMS)
}


@pytest.mark.parametrize("kind", ROOMS)
def test_words_lead_to_members(kind: str) -> None:
    words = ROOMS[kind].words()
    for other, own in choices.KINDS.get(kind, {}).items():
        assert own in words and other not in words
        for spelling in (other, other.lower(), other.upper()):
            assert str(elsewhere.word_help(kind, spelling, words)).endswith(f"'{own}'")
    for absent, help in choices.ABSENT.get(kind, {}).items():
        assert elsewhere.word_help(kind, absent.lower(), words) == help, "a word cannot be both here and absent"
        assert absent not in words


@pytest.mark.parametrize("table", [elsewhere.NET, elsewhere.LAYER, elsewhere.SOLVER])
def test_answers_are_yaml_that_can_be_read(table: dict[str, str]) -> None:
    for help in table.values():
        for mapping in re.findall(r"\{[^{}.]*(?:\{[^{}.]*\}[^{}.]*)*\}", help):
            assert parse(f"x: {mapping}", "help").plain()


SOLVER = "base_lr: 0.1\nlr_policy: fixed\nmax_iter: 9\nnet: {layers: [{name: data, type: Input, shape: [2, 3]}]}\n"
NET = "layers: [{name: data, type: Input, shape: [2, 3, 4, 5]}]\n"
LAYER = "layers:\n  - {name: data, type: Input, shape: [2, 3, 4, 5]}\n"


def advice(load: Any, text: str) -> str:
    """The help of the mistake in the last line of a spec."""
    with pytest.raises(NetspecError) as raised:
        load(parse(text, "spec"))
    last = len(text.splitlines())
    (help,) = (error.help for error in raised.value.errors() if error.at and error.at.line == last)
    return str(help)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("early_stopping: {patience: 3}", "'early_stop'"),
        ("earlyStopping: true", "'early_stop'"),
        ("early_stop: {patience: 3, min_delta: 0.1}", "'min_gain'"),
        ("patience: 3", "`early_stop: {patience: 5"),
        ("monitor: accuracy", "metric: validation/accuracy"),
        ("best: {monitor: accuracy}", "'metric'"),
        ("save_best_only: true", "`best: {metric: validation/accuracy}`"),
        ("steps_per_epoch: 100", "an epoch is"),
        ("epoch: 3", "'max_epoch'"),
        ("time_limit: 3", "'max_time'"),
        ("test_compute_loss: true", "every loss"),
        ("batch-size: 64", "`data:`"),
        ("validation: {source: x}", "`data: {validation: ...}`"),
        ("tests: {other: {source: x}}", "`tests: {name: ...}`"),
        ("metrics: [accuracy]", "type: Accuracy"),
        ("device: cuda", "CPU"),
        ("betas: [0.9, 0.99]", "Adam"),
        ("eps: 0.1", "RMSProp"),
        ("num_epochs: 3", "'max_epoch'"),
        ("data: {val: {source: FashionMNIST, batch_size: 2}}", "'validation'"),
        (
            "data: {validation: {source: {type: FashionMNIST, split: test}, batch_size: 2, num_workers: 2}}",
            "beside the training",
        ),
        (
            "data: {tests: {new: {source: {type: FashionMNIST, split: test}, batch_size: 2, augmentation: Mirror}}}",
            "'transform'",
        ),
        (
            "data: {tests: {new: {source: {type: FashionMNIST, split: test}, batch_size: 2, val_interval: 2}}}",
            "'test_interval'",
        ),
        ("regularization_type: elastic_net", "'ElasticNet'"),
        ("type: adam", "'Adam'"),
        ("type: AMSGrad", "AdamW and RAdam"),
        ("amsgrad: true", "leave it out"),
        ("beta2: 0.99", "momentum2"),
        ("rho: 0.9", "`momentum` of AdaDelta"),
        ("seed: 3", "'random_seed'"),
        ("grad_clip: 3", "'clip_gradients'"),
        ("milestones: [3, 4]", "type: multistep"),
    ],
)
def test_words_of_other_programs_in_a_solver(line: str, wanted: str) -> None:
    assert wanted in advice(load_solver, SOLVER + line)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("{type: CosineAnnealingLR, T_max: 9}", "say 'cosine'"),
        ("{type: cosine, T_max: 9}", "did you mean 'length'?"),
        ("{type: cosine, eta_min: 0.1}", "did you mean 'min_lr'?"),
        ("ReduceLROnPlateau", "say 'plateau'"),
        ("OneCycleLR", "say 'one_cycle'"),
        ("CyclicLR", "say 'triangular'"),
        ("get_linear_schedule_with_warmup", "say `lr_policy: linear`, and beside it `warmup:"),
        ("LinearLR", "say `warmup:"),
        ("{type: one_cycle, factor: 0.1}", "it belongs to plateau"),
        ("{type: fixed, gamma: 0.1}", "it belongs to exp, inv, multistep, sigmoid, step and triangular"),
        ("{type: fixed, strange: 0.1}", "leave it out"),
        ("{type: step, gamma: 0.1, stepsize: 3, power: 2}", "it belongs to inv and poly"),
    ],
)
def test_words_of_other_programs_for_a_policy(policy: str, wanted: str) -> None:
    text = SOLVER.replace("lr_policy: fixed\n", "") + f"lr_policy: {policy}"
    assert wanted in advice(load_solver, text)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("loss: mse", "SoftmaxWithLoss"),
        ("optimizer: Adam", "the solver"),
        ("epochs: 3", "the solver"),
        ("backbone: x", "`layers:`"),
        ("num_classes: 10", "`num_output`"),
        ("input_shape: [1, 2]", "type: Input"),
    ],
)
def test_words_of_other_programs_in_a_net(line: str, wanted: str) -> None:
    assert wanted in advice(load_net, NET + line)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ("type: Convolution, num_output: 2, kernel_size: 1, in_channels: 3", "follows from the bottom"),
        ("type: Convolution, num_output: 2, kernel_size: 1, activation: relu", "type: ReLU"),
        ("type: InnerProduct, num_output: 2, dropout: 0.5", "type: Dropout"),
        ("type: Dropout, dropout: 0.5", "'dropout_ratio'"),
        ("type: InnerProduct, num_output: 2, trainable: false", "lr_mult: 0"),
        ("type: ReLU, block_size: 3", "it belongs to DropBlock"),
        ("type: conv_2d, num_output: 2", "'Convolution'"),
        ("type: DepthwiseConv2D", "`group`"),
        ("type: Recurrent", "'RNN'"),
        ("type: Pooling, kernel_size: 2, ceil_mode: false", "round_mode: FLOOR"),
        ("type: LSTM, num_output: 2, debug_info: true", "the solver has it"),
        ("type: Python, module: os, layer: X, share_in_parallel: false", "leave it out"),
        ("type: DummyData, shape: [2], num: 2", "'shape'"),
        ("type: nn.Linear", "InnerProduct"),
        ("type: ConvTranspose2d", "Deconvolution"),
        ("type: Bidirectional", "bidirectional: true"),
        ("type: InnerProduct, num_output: 2, weight_filler: Xavier_Uniform", "'xavier'"),
    ],
)
def test_words_of_other_programs_in_a_layer(fields: str, wanted: str) -> None:
    assert wanted in advice(load_net, LAYER + f"  - {{name: x, {fields}}}")
