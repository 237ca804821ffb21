"""What a training should look at more closely than at the rest of the initial set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnctrl._typing import FloatArray


@dataclass(frozen=True, eq=False)
class Focus:
    """Initial states that failed, `points` [k, n], and boxes of initial states left open, `lower`, `upper` [p, n]."""

    points: FloatArray
    lower: FloatArray
    upper: FloatArray

    @staticmethod
    def nothing(size: int) -> Focus:
        """No states and no boxes of `size` coordinates."""
        empty = np.zeros((0, size))
        return Focus(empty, empty, empty)

    def joined(self, other: Focus) -> Focus:
        """This and the other, in this order."""
        return Focus(
            np.concatenate([self.points, other.points]),
            np.concatenate([self.lower, other.lower]),
            np.concatenate([self.upper, other.upper]),
        )
