"""How many bottoms or tops a layer takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Arity:
    """The number of bottoms or tops that a layer takes; `most` None means any number."""

    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most == self.least:
            return f"{self.least}"
        return f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"

    def of(self, word: str) -> str:
        """The number of things in words: 1 top; at least 1 bottom; 2 to 4 bottoms."""
        return f"{self} {word}{'s' * ((self.most or self.least) != 1)}"

    def holds(self, number: int) -> bool:
        """Whether `number` is allowed."""
        return self.least <= number and (self.most is None or number <= self.most)


ONE, TWO, NONE, MANY = Arity(1, 1), Arity(2, 2), Arity(0, 0), Arity(1, None)
