"""Keras on TensorFlow in a process of its own: builds a net from a description, computes and trains on command.

keras_child.py THREADS reads commands, one JSON object a line, from standard input, and answers each with one line on
standard output. It imports neither netspec nor PyTorch, because it runs in an environment that has neither.
`benchmarks/in_keras.py` is the other end and says what a description holds.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

Message = dict[str, Any]


class Child:
    """A compiled Keras model and its batch."""

    def __init__(self, threads: int) -> None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras
        import tensorflow

        self.keras, self.tensorflow = keras, tensorflow
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)

    def build(self, command: Message) -> Message:
        """Build and compile the net that `layers` describes, with weights and batch from a file."""
        keras = self.keras
        with np.load(command["file"]) as stored:
            arrays = {name: stored[name] for name in stored.files}
        self.x, self.y = arrays["x"], arrays["y"].astype(np.int32)
        values = {command["input"]: keras.Input(self.x.shape[1:], batch_size=len(self.x))}
        self.weighted: list[tuple[str, Any]] = []
        for described in command["layers"]:
            values[described["top"]] = self._top(described, [values[bottom] for bottom in described["bottoms"]])
        self.model = keras.Model(values[command["input"]], values[command["output"]])
        for name, layer in self.weighted:
            layer.set_weights([arrays[f"{name}.{i}"] for i in range(len(layer.weights))])
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.SGD(**command["solver"]), self.loss)
        return {"versions": {"keras": keras.__version__, "tensorflow": self.tensorflow.__version__}}

    def _top(self, described: Message, bottoms: list[Any]) -> Any:
        """The top of one layer: a class of keras.layers with its settings, or one of two operations without weights."""
        make, settings = described["make"], described["settings"]
        if make == "pick":
            down, across = settings["step"]
            return bottoms[0][:, ::down, ::across, :]
        if make == "zeros":
            return self.keras.ops.zeros_like(bottoms[0])
        layer = getattr(self.keras.layers, make)(**settings)
        top = layer(bottoms if len(bottoms) > 1 else bottoms[0])
        if layer.weights:
            self.weighted.append((described["top"], layer))
        return top

    def check(self, command: Message) -> Message:
        """The loss of the batch; the gradients of the trainable weights go into a file."""
        with self.tensorflow.GradientTape() as tape:
            loss = self.loss(self.y, self.model(self.x, training=True))
        wanted = {
            f"{name}.{i}": weight.value
            for name, layer in self.weighted
            for i, weight in enumerate(layer.trainable_weights)
        }
        found = tape.gradient(loss, wanted)
        np.savez(command["file"], **{name: gradient.numpy() for name, gradient in found.items()})
        return {"loss": float(loss)}

    def step(self, command: Message) -> Message:
        """One step of training, as Keras's users write it: the milliseconds that it took."""
        begun = time.perf_counter()
        self.model.train_on_batch(self.x, self.y)
        return {"ms": 1000 * (time.perf_counter() - begun)}


def answers(threads: int) -> Callable[[Message], Message]:
    """A function that carries out a command; what goes wrong is an answer too."""
    child: Child | None = None

    def answer(command: Message) -> Message:
        nonlocal child
        try:
            child = child or Child(threads)
            return {"build": child.build, "check": child.check, "step": child.step}[command["do"]](command)
        except Exception as error:  # the other end names the net and goes on
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"}

    return answer


def main() -> None:
    """Answer until standard input ends. What others print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    answer = answers(int(sys.argv[1]))
    for line in sys.stdin:
        out.write(json.dumps(answer(json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
