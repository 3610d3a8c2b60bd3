"""Surrogate gradients: the forward pass is a step, the backward pass a smooth function's.

A spike is ``Theta(x)`` with ``x = h - v_threshold`` and ``Theta(0) = 1``. Its derivative is zero
almost everywhere, so that backpropagation puts the derivative of a smooth primitive in its place
(Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks", 2019).
"""

from bitspike.surrogate._atan import ATan
from bitspike.surrogate._base import SurrogateFunctionBase, heaviside, registry
from bitspike.surrogate._sigmoid import Sigmoid

__all__ = [
    "ATan",
    "Sigmoid",
    "SurrogateFunctionBase",
    "heaviside",
    "registry",
]
