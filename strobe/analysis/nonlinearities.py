"""The nonlinearities that an MLP of the GPT-2 family can have, in the dtype of what they are given."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _relu(x: Array) -> Array:
    positive: Array = np.maximum(x, x.dtype.type(0))
    return positive


def _gelu(x: Array) -> Array:
    from scipy.special import erf  # type: ignore[import-untyped]

    half = x.dtype.type(0.5)
    exact: Array = half * x * (1 + erf(x * x.dtype.type(math.sqrt(0.5))))
    return exact


def _gelu_tanh(x: Array) -> Array:
    inner = x * x
    inner *= x.dtype.type(0.044715)
    inner += x.dtype.type(1)
    inner *= x
    inner *= x.dtype.type(math.sqrt(2 / math.pi))
    np.tanh(inner, out=inner)
    inner += x.dtype.type(1)
    inner *= x
    inner *= x.dtype.type(0.5)
    return inner


NONLINEARITIES: dict[str, Callable[[Array], Array]] = {"gelu_tanh": _gelu_tanh, "gelu": _gelu, "relu": _relu}
