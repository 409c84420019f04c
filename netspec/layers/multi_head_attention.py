"""MultiHeadAttention: every position of a sequence becomes a mean of values, weighted by how well keys fit its query.

For each head, softmax(q k^T / sqrt(D)) v with q = x Wq^T + bq, k = x Wk^T + bk, v = x Wv^T + bv; the heads' results,
side by side, are multiplied with Wo^T, and bo is added. Source: Vaswani et al. 2017, "Attention is all you need",
section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.codegen.geometry import ADD, Dropping
from netspec.core.calls import Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.fillers.xavier import Xavier
from netspec.layers.base import BOTTOM, Abilities, Arity, BatchAxes, Layer, Param, Passing, Purpose
from netspec.lowering import attention, products
from netspec.lowering.attention import Attention
from netspec.lowering.channels import adds

_QUERY, _KEY, _VALUE, _OUTPUT = range(4)
_NAMES = ("query", "key", "value", "output")


class MultiHeadAttention(Layer):
    """Let every position of a sequence look at all positions, of its own sequence or of another.

    The batch comes first. Bottoms: x (N, T, E), which is looked at by itself; or queries (N, Q, E) and what they look
    at (N, K, F); or queries, keys (N, K, F) and values (N, K, G). With `key_padding`, one more: LENGTHS (N,), the
    number of keys that count in each sample, the first ones; or MASK (N, K), which is not 0 where a key counts. It
    gets no gradient. Top: y (N, Q, M), M being `num_output`. A query that no key counts for gets y = the output's bias.

    Params, A being num_heads * head_dim: query_weight (A, E), key_weight (A, F), value_weight (A, G), output_weight (M,
    A); then, unless `bias_term: false`, query_bias (A,), key_bias (A,), value_bias (A,), output_bias (M,). PyTorch's
    in_proj_weight is the first three one below the other. The dropout acts on the weights of the mean.
    """

    label_word: ClassVar[str] = "length"
    bottoms: ClassVar[Arity] = Arity(1, 4)
    purpose: ClassVar[Purpose] = "sequence"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 5, 6]]}
- {name: attention, type: MultiHeadAttention, num_heads: 2, causal: true}
"""

    num_heads: Annotated[int, Aka("heads", "n_head", "nhead")] = Field(gt=0, description="Number of heads, H.")
    head_dim: Annotated[int | None, Aka("key_dim", "head_size", "kdim")] = Field(
        None, gt=0, description="Values of a head, D; left out: E / H."
    )
    num_output: Annotated[int | None, Aka("output_dim", "out_features", "embed_dim")] = Field(
        None, gt=0, description="Values of a position of the top, M; left out: E."
    )
    causal: Annotated[bool, Aka("is_causal", "use_causal_mask")] = Field(
        False, description="A query sees the keys up to its own position only."
    )
    key_padding: Annotated[Literal["NONE", "LENGTHS", "MASK"], Aka("key_padding_mask", "padding_mask")] = Field(
        "NONE", description="What the last bottom says of the keys that count: nothing, their number, or which."
    )
    dropout_ratio: Annotated[float, Aka("dropout", "attention_dropout")] = Field(
        0.0, ge=0, lt=1, description="Probability that a query misses a key while training."
    )
    bias_term: Annotated[bool, Aka("bias", "use_bias")] = Field(
        True, description="Whether the four products add learned constants."
    )
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "kernel_initializer", "weight_init")] = Field(
        Xavier(), description="Initial weights of the four products."
    )
    bias_filler: Annotated[AnyFiller, Aka("bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial constants."
    )

    @model_validator(mode="after")
    def _check(self) -> MultiHeadAttention:
        if self.key_padding != "NONE" and (self.bottom is None or len(self.bottom) == 1):
            text = (
                f"with `key_padding` {self.key_padding} the last bottom says which keys count, and here it is the only"
            )
            raise wrong(text, field="key_padding", help="bottom: [x, lengths]")
        if self.key_padding == "NONE" and self.bottom is not None and len(self.bottom) == 4:
            text = "only queries, keys and values are read without `key_padding`, and here are 4 bottoms"
            raise wrong(text, field="bottom", help="key_padding: LENGTHS or MASK says what the last one holds")
        return self

    @property
    def alone(self) -> bool:
        """Always: a sample looks at itself alone."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottoms, adds and stores."""
        return Abilities(reads=BOTTOM, adds=True, stores=True)

    @property
    def passing(self) -> Passing:
        """Nothing but constants comes out where all bottoms are 0."""
        return Passing()

    def _sources(self, number: int) -> tuple[int, int, int]:
        """The bottoms that queries, keys and values are made of."""
        last = number - 1 - (self.key_padding != "NONE")
        return 0, min(1, last), min(2, last)

    def sizes(self, bottoms: Shapes) -> Attention:
        """The sizes of the heads' products. Raises ShapeError."""
        sources = self._sources(len(bottoms))
        for slot in dict.fromkeys(sources):
            if len(bottoms[slot]) != 3:
                raise ShapeError(f"{{bottom[{slot}]}} is not (samples, positions, values)", field=f"bottom.{slot}")
        (n, queries, e), of_keys, of_values = (bottoms[slot] for slot in sources)
        for slot, shape in ((sources[_KEY], of_keys), (sources[_VALUE], of_values)):
            if shape[0] != n:
                text = f"{{bottom[0]}} and {{bottom[{slot}]}} have different numbers of samples"
                raise ShapeError(text, field=f"bottom.{slot}")
        if of_values[1] != of_keys[1]:
            raise ShapeError("every key of {bottom[1]} needs a value, but {bottom[2]} has others", field="bottom.2")
        if self.head_dim is None and e % self.num_heads:
            text = f"the {e} values of a position of {{bottom[0]}} are not a multiple of `num_heads` {self.num_heads}"
            raise ShapeError(text, field="num_heads", help="`head_dim` says how many values a head has")
        self._check_padding(bottoms, (n, of_keys[1]))
        return Attention(n, self.num_heads, queries, of_keys[1], self.head_dim or e // self.num_heads)

    def _check_padding(self, bottoms: Shapes, keys: Shape) -> None:
        """Raise ShapeError where the last bottom does not fit N samples of K keys."""
        wanted = {"NONE": None, "LENGTHS": keys[:1], "MASK": keys}[self.key_padding]
        last = len(bottoms) - 1
        if wanted is not None and bottoms[last] != wanted:
            held = "number of keys for each sample" if len(wanted) == 1 else "number for each key of each sample"
            raise ShapeError(f"{{bottom[{last}]}} does not hold a {held}", field=f"bottom.{last}")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, Q, M)."""
        of = self.sizes(bottoms)
        return ((of.samples, of.queries, self._outputs(bottoms)),)

    def _outputs(self, bottoms: Shapes) -> int:
        return self.num_output or bottoms[0][2]

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The queries' batch axis, unless that is the one that is mixed."""
        return axes[:1] if axes[0] != 1 else (None,)

    def without_diff(self, bottoms: int) -> frozenset[int]:
        """Lengths and masks."""
        return frozenset() if self.key_padding == "NONE" else frozenset({bottoms - 1})

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """A length is one of 0..K, and is checked as a label is."""
        return {len(bottoms) - 1: (self.sizes(bottoms).keys + 1, None)} if self.key_padding == "LENGTHS" else {}

    def params(self) -> tuple[Param, ...]:
        """Four weights; four biases unless `bias_term: false`."""
        weights = tuple(Param(f"{name}_weight", self.weight_filler) for name in _NAMES)
        biases = tuple(Param(f"{name}_bias", self.bias_filler) for name in _NAMES)
        return weights + biases if self.bias_term else weights

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(A, E), (A, F), (A, G), (M, A); (A,) three times, (M,)."""
        width, m = self.sizes(bottoms).width, self._outputs(bottoms)
        weights = (*((width, bottoms[slot][2]) for slot in self._sources(len(bottoms))), (m, width))
        return (*weights, (width,), (width,), (width,), (m,)) if self.bias_term else weights

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """(6+1)*6 + (6+1)*6 + (6+1)*6 + (6+1)*6 = 168."""
        shapes = self.param_shapes(bottoms)[:4]
        one = "({}+1)" if self.bias_term else "{}"
        total = sum(rows * (columns + self.bias_term) for rows, columns in shapes)
        return " + ".join(f"{one.format(columns)}*{rows}" for rows, columns in shapes) + f" = {total}"

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """Products with the four weights, of queries with keys, and of probabilities with values."""
        of = self.sizes(bottoms)
        lengths = (of.queries, of.keys, of.keys, of.queries)
        shapes = self.param_shapes(bottoms)[:4]
        projected = sum(rows * columns * length for (rows, columns), length in zip(shapes, lengths, strict=True))
        return of.samples * projected + of.macs

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole of what is looked at."""
        return union(bottoms, fields).whole(True, True)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Those of the heads' products; turned weights of the projections; sums for the biases' gradients."""
        of = self.sizes(bottoms)
        found = attention.spaces(of, self.key_padding != "NONE", self.dropout_ratio > 0, backward)
        rows = (of.queries, of.keys, of.keys, of.queries)
        for name, length, (m, k) in zip(_NAMES, rows, self.param_shapes(bottoms)[:4], strict=True):
            turned = products.turning(of.samples * length, k, m, "forward")
            found |= {f"{name}_{kind}": space for kind, space in turned.items()}
        if backward:
            wide = max(of.width, self._outputs(bottoms))
            found["sums"] = Workspace((wide,), "float64", use="backward")
        return found

    def forward(self, run: Run) -> Calls:
        """Project queries, keys and values, let the queries look at the keys, project the result."""
        of, space, padded = self.sizes(run.bottom_shapes), run.workspace, self.key_padding != "NONE"
        for which, slot in enumerate(self._sources(len(run.bottom))):
            x = run.bottom[slot]
            yield from self._project(run, which, x.reshape(-1, x.shape[2]), space["qkv"[which]])
        yield from attention.bars(run, run.bottom[-1] if padded else None, self.key_padding == "LENGTHS")
        yield from attention.forward(run, of, self.causal, padded, self._dropping(run))
        yield from self._project(run, _OUTPUT, space["context"], run.top[0].reshape(-1, run.top[0].shape[2]))

    def backward(self, run: Run) -> Calls:
        """The gradients of the last product, of the heads' products, and of the three first products."""
        of, space, padded = self.sizes(run.bottom_shapes), run.workspace, self.key_padding != "NONE"
        dy = run.top_diff[0].reshape(-1, run.top_diff[0].shape[2])
        yield from self._learn(run, _OUTPUT, space["context"], dy)
        sources = self._sources(len(run.bottom))
        if any(diff is not None for diff in (*(run.bottom_diff[s] for s in sources), *self._first(run))):
            yield from products.multiply_rows(dy, run.param[_OUTPUT], _none(run), space["dcontext"], 0)
            yield from attention.backward(run, of, self.causal, padded, self._dropping(run))
        started = set[int]()
        for which, slot in enumerate(sources):
            x, gradient, dx = run.bottom[slot], space[f"d{'qkv'[which]}"], run.bottom_diff[slot]
            yield from self._learn(run, which, x.reshape(-1, x.shape[2]), gradient)
            if dx is not None:
                mode = ADD if slot in started or (run.bottom_add and run.bottom_add[slot]) else 0
                flat = dx.reshape(-1, dx.shape[2])
                yield from products.multiply_rows(gradient, run.param[which], _none(run), flat, mode)
                started.add(slot)

    def _first(self, run: Run) -> tuple[Any, ...]:
        """The gradients of the weights and biases of queries, keys and values."""
        return tuple(diff for slot, diff in enumerate(run.param_diff) if slot % 4 != _OUTPUT)

    def _dropping(self, run: Run) -> Dropping:
        """Nothing is dropped while testing."""
        ratio = self.dropout_ratio if run.phase == "TRAIN" else 0.0
        return Dropping(run.seed % 2**63, round(ratio * 2**32), 1 / (1 - ratio))

    def _project(self, run: Run, which: int, x: Any, y: Any) -> Calls:
        """y = x w^T + b of one of the four products."""
        spaces = (run.workspace.get(f"{_NAMES[which]}_{kind}") for kind in ("turned", "product"))
        bias = run.param[which + 4] if self.bias_term else _none(run)
        yield from products.multiply_transposed(x, run.param[which], bias, y, 0, *spaces)

    def _learn(self, run: Run, which: int, x: Any, dy: Any) -> Calls:
        """dw = dy^T x and db = the columns of dy, of one of the four products."""
        dw, db = run.param_diff[which], run.param_diff[which + 4] if self.bias_term else None
        sums = run.workspace["sums"]
        if db is not None:
            yield from products.bias_gradient(dy, dy, db, sums[: db.size], ADD * adds(run, which + 4))
        if dw is not None:
            yield from products.multiply_columns(dy, x, dw, sums[:0], ADD * adds(run, which))


def _none(run: Run) -> Any:
    """An empty bias."""
    return run.param[0].reshape(-1)[:0]
