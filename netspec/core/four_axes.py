"""Caffe's old names for the axes of a blob, which blobs of pycaffe's style share. Source: Caffe blob.hpp."""

from __future__ import annotations

from abc import abstractmethod


class FourAxes:
    """The lengths of up to four axes by their names: num, channels, height, width."""

    __slots__ = ()

    @abstractmethod
    def _axis(self, axis: int) -> int:
        """The length of an axis; 1 where there is none."""

    @property
    def num(self) -> int:
        """The length of axis 0; 1 without it."""
        return self._axis(0)

    @property
    def channels(self) -> int:
        """The length of axis 1; 1 without it."""
        return self._axis(1)

    @property
    def height(self) -> int:
        """The length of axis 2; 1 without it."""
        return self._axis(2)

    @property
    def width(self) -> int:
        """The length of axis 3; 1 without it."""
        return self._axis(3)
