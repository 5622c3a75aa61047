"""A run whose numbers are none any more is stopped before they reach the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable


def check_finite(value: float, what: str, step: int, tokens: Iterable[str], learning_rate: float) -> None:
    """Raises ValueError where the loss or gradient (`what`) of step `step` is not a number, with the step's frames.

    step: counted from 1. learning_rate: at its peak.
    """
    if not math.isfinite(value):
        raise ValueError(
            f"the {what} of step {step} is {value}; the frames are {', '.join(tokens)}: look at these frames, or lower "
            f"the learning rate (it is {learning_rate:g} at its peak)"
        )
