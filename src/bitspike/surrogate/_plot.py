"""A picture of a surrogate function."""

from typing import Any

import torch

from bitspike._extras import require
from bitspike.surrogate._base import SurrogateFunctionBase


def plot_surrogate_function(surrogate_function: SurrogateFunctionBase) -> Any:
    """Draws spikes, primitive and gradient for x from -2 to 2.

    Call ``matplotlib.pyplot.show()`` to see the figure, or its ``savefig``. The surrogate keeps
    its mode.

    Args:
        surrogate_function: the surrogate, such as ``surrogate.ATan()``.

    Returns:
        The ``matplotlib.figure.Figure``.

    Raises:
        ImportError: Matplotlib is not installed.
    """
    require("matplotlib", extra="plot", purpose="surrogate.plot_surrogate_function")
    import matplotlib.pyplot as plt

    shape = [
        p.detach() if isinstance(p, torch.Tensor) else p
        for p in surrogate_function.parameters_of_shape()
    ]
    # A probability has no values outside of 0 and 1.
    low = -2.0 if surrogate_function.deterministic else 0.0
    high = 2.0 if surrogate_function.deterministic else 1.0
    x = torch.linspace(low, high, 801)
    name = type(surrogate_function).__name__
    figure = plt.figure(layout="tight")
    axes = figure.add_subplot()
    axes.plot(x, surrogate_function.fire(x, *shape), "-.", label="spikes")
    axes.plot(x, surrogate_function.primitive(x, *shape), label="primitive")
    axes.plot(x, surrogate_function.derivative(x, *shape), label="gradient")
    axes.set_xlim(low, high)
    axes.set_title(f"{name}({surrogate_function.extra_repr()})")
    axes.set_xlabel("x, membrane potential minus threshold")
    axes.grid(linestyle=":", linewidth=0.6)
    axes.legend(frameon=False)
    return figure
