"""Learning-rate policies: the rate as a pure function of the iteration."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from netspec.core.model import Model
from netspec.core.rooms import Room, snake
from netspec.training.course import Course


class Policy(Model):
    """A rate for every iteration."""

    def rate(self, iter: int, course: Course) -> float:
        """The learning rate of iteration `iter`, counted from 0."""
        raise NotImplementedError


POLICIES: Room[Policy] = Room("netspec.training.policies", Policy, "lr policy", snake)

AnyPolicy = Annotated[Policy, BeforeValidator(POLICIES.parse)]
