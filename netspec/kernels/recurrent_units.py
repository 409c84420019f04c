"""One step of hidden units, on vectors: what recurrent kernels do with the gates of a row, and its gradient.

A gate's row is replaced by the bent values, which the gradient reads. `past` is the state before the step; `hidden` and
`cell` take the state after it, times `keep`, the mark of the step that will read it. dh and dc hold the gradients of
these, and become those of the state before the step.
"""

from __future__ import annotations

from netspec.codegen.rows import Real, Row, Value, rows


def _sigmoid(x: Value) -> Value:
    return 1.0 / ((-x).exp() + 1.0)


@rows()
def rnn_unit(gate: Row, hidden: Row, y: Row, keep: Real) -> None:
    """y = tanh(gate); hidden = keep * y."""
    value = gate.get().tanh()
    gate.put(value)
    y.put(value)
    hidden.put(value * keep)


@rows()
def rnn_unit_diff(gate: Row, dy: Row, dh: Row, dgate: Row, keep: Real) -> None:
    """The gradient of the sum of dy * y + dh * hidden; dh becomes 0, to be added to."""
    value = gate.get()
    dgate.put((dy.get() + dh.get() * keep) * (1.0 - value * value))
    dh.put(dh.fill(0))


@rows()
def lstm_unit(i: Row, f: Row, o: Row, g: Row, past: Row, cell: Row, hidden: Row, y: Row, keep: Real) -> None:
    """c = sigmoid(f) past + sigmoid(i) tanh(g), y = sigmoid(o) tanh(c); cell = keep * c, hidden = keep * y."""
    a, b, e, d = _sigmoid(i.get()), _sigmoid(f.get()), _sigmoid(o.get()), g.get().tanh()
    c = b * past.get() + a * d
    top = e * c.tanh()
    i.put(a)
    f.put(b)
    o.put(e)
    g.put(d)
    cell.put(c * keep)
    hidden.put(top * keep)
    y.put(top)


@rows()
def lstm_unit_diff(
    i: Row, f: Row, o: Row, g: Row, past: Row, dy: Row, dh: Row, dc: Row, di: Row, df: Row, do: Row, dg: Row, keep: Real
) -> None:
    """The gradients of the gates before they were bent; dc becomes that of `past`, dh 0, to be added to."""
    a, b, e, d, before = i.get(), f.get(), o.get(), g.get(), past.get()
    bent = (b * before + a * d).tanh()
    top = dy.get() + dh.get() * keep
    cell = dc.get() * keep + top * e * (1.0 - bent * bent)
    di.put(cell * d * a * (1.0 - a))
    df.put(cell * before * b * (1.0 - b))
    do.put(top * bent * e * (1.0 - e))
    dg.put(cell * a * (1.0 - d * d))
    dc.put(cell * b)
    dh.put(dh.fill(0))


@rows()
def peephole_unit(
    i: Row, f: Row, o: Row, g: Row, pi: Row, pf: Row, po: Row, past: Row, cell: Row, hidden: Row, y: Row, keep: Real
) -> None:
    """As `lstm_unit`, where i and f also see pi and pf times the cell before, and o sees po times the cell after."""
    before = past.get()
    a, b = _sigmoid(i.get() + pi.get() * before), _sigmoid(f.get() + pf.get() * before)
    d = g.get().tanh()
    c = b * before + a * d
    e = _sigmoid(o.get() + po.get() * c)
    top = e * c.tanh()
    i.put(a)
    f.put(b)
    o.put(e)
    g.put(d)
    cell.put(c * keep)
    hidden.put(top * keep)
    y.put(top)


@rows()
def peephole_unit_diff(
    i: Row, f: Row, o: Row, g: Row, pi: Row, pf: Row, po: Row, past: Row, dy: Row, dh: Row, dc: Row,
    di: Row, df: Row, do: Row, dg: Row, keep: Real,
) -> None:  # fmt: skip
    """The gradients of the gates before they were bent; dc becomes that of `past`, dh 0, to be added to."""
    a, b, e, d, before = i.get(), f.get(), o.get(), g.get(), past.get()
    bent = (b * before + a * d).tanh()
    top = dy.get() + dh.get() * keep
    out = top * bent * e * (1.0 - e)
    cell = dc.get() * keep + top * e * (1.0 - bent * bent) + out * po.get()
    into, forget = cell * d * a * (1.0 - a), cell * before * b * (1.0 - b)
    di.put(into)
    df.put(forget)
    do.put(out)
    dg.put(cell * a * (1.0 - d * d))
    dc.put(cell * b + into * pi.get() + forget * pf.get())
    dh.put(dh.fill(0))


@rows()
def gru_unit(r: Row, z: Row, n: Row, hr: Row, hz: Row, hn: Row, past: Row, hidden: Row, y: Row, keep: Real) -> None:
    """n = tanh(n + sigmoid(r + hr) hn), y = (1 - sigmoid(z + hz)) n + sigmoid(z + hz) past; hidden = keep * y."""
    a, b = _sigmoid(r.get() + hr.get()), _sigmoid(z.get() + hz.get())
    c = (n.get() + a * hn.get()).tanh()
    top = c + b * (past.get() - c)
    r.put(a)
    z.put(b)
    n.put(c)
    hidden.put(top * keep)
    y.put(top)


@rows()
def gru_unit_diff(
    r: Row, z: Row, n: Row, new: Row, past: Row, dy: Row, dh: Row,
    dr: Row, dz: Row, dn: Row, hr: Row, hz: Row, hn: Row, keep: Real,
) -> None:  # fmt: skip
    """The gradients of what the gates add up of x (dr, dz, dn) and of the state (hr, hz, hn).

    dh becomes the part of the gradient of `past` that does not come by the product, which is to be added.
    """
    a, b, c = r.get(), z.get(), n.get()
    top = dy.get() + dh.get() * keep
    update = top * (past.get() - c) * b * (1.0 - b)
    fresh = top * (1.0 - b) * (1.0 - c * c)
    reset = fresh * new.get() * a * (1.0 - a)
    dr.put(reset)
    hr.put(reset)
    dz.put(update)
    hz.put(update)
    dn.put(fresh)
    hn.put(fresh * a)
    dh.put(top * b)


@rows()
def scale_row(x: Row, y: Row, factor: Real) -> None:
    """y = factor * x."""
    y.put(x.get() * factor)


@rows()
def clear_row(y: Row) -> None:
    """y = 0."""
    y.put(y.fill(0))


@rows()
def bent(x: Row, y: Row) -> None:
    """y = tanh(x)."""
    y.put(x.get().tanh())


@rows()
def bent_diff(y: Row, dy: Row, dx: Row) -> None:
    """dx = dy (1 - y^2)."""
    top = y.get()
    dx.put(dy.get() * (1.0 - top * top))


@rows()
def more(x: Row, y: Row) -> None:
    """y += x."""
    y.put(y.get() + x.get())
