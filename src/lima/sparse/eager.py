"""What torch.compile is to leave alone."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def eager(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The same function, at which torch.compile breaks its graph and which it runs as it is.

    A graph of a convolution holds the numbers of pairs of one batch and would be compiled anew for the next, and
    engines hand addresses to code that it cannot see. `torch.compiler.disable` does the work. It imports the compiler,
    which takes a second, so that it waits until somebody else has.
    """
    disabled: Callable[Arguments, Result] | None = None

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        nonlocal disabled
        if disabled is None:
            if "torch._dynamo" not in sys.modules:
                return function(*args, **kwargs)
            disabled = torch.compiler.disable(function)
        return disabled(*args, **kwargs)

    return call
