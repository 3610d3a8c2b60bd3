"""Look at a surrogate: its picture, and a check of a hand-written gradient."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike._extras import require
from bitspike.surrogate._base import SurrogateFunctionBase


def check_manual_grad(
    primitive_function: Callable[..., Tensor],
    spiking_function: Callable[..., Tensor],
    *args: Any,
    **kwargs: Any,
) -> float:
    """Print where the gradients of two functions differ most, for x from -2 to 2.

    Args:
        primitive_function: smooth function of ``x``, differentiated by autograd.
        spiking_function: function of ``x`` with a gradient of its own, such as
            ``surrogate.ATan.spiking_function`` or ``surrogate.atan``.
        *args: further arguments of both functions.
        **kwargs: the same, by name.

    Returns:
        The largest difference of the two gradients.
    """
    x = torch.arange(-2, 2, 32 / 8192).requires_grad_()
    auto, manual = (
        torch.autograd.grad(function(x, *args, **kwargs).sum(), x)[0]
        for function in (primitive_function, spiking_function)
    )
    error = (manual - auto).abs()
    worst = int(error.argmax())
    print(  # noqa: T201 -- its purpose
        f"largest difference of the gradients: {error[worst].item():.3g} at "
        f"x = {x[worst].item():.4g} (autograd {auto[worst].item():.6g}, "
        f"by hand {manual[worst].item():.6g})"
    )
    return error[worst].item()


def plot_surrogate_function(surrogate_function: SurrogateFunctionBase) -> Any:
    """Draw spikes, primitive and gradient for x from -2 to 2; the surrogate keeps its mode.

    Call ``matplotlib.pyplot.show()`` to see the figure, or its ``savefig``.

    Returns:
        The ``matplotlib.figure.Figure``.

    Raises:
        ImportError: if Matplotlib is not installed.
    """
    require("matplotlib", extra="plot", purpose="surrogate.plot_surrogate_function")
    import matplotlib.pyplot as plt

    shape = [
        p.detach() if isinstance(p, Tensor) else p for p in surrogate_function.parameters_of_shape()
    ]
    # A probability has no values outside of 0 and 1.
    low, high = (-2.0, 2.0) if surrogate_function.deterministic else (0.0, 1.0)
    x = torch.linspace(low, high, 801)
    figure = plt.figure(layout="tight")
    axes = figure.add_subplot()
    axes.plot(x, surrogate_function.fire(x, *shape), "-.", label="spikes")
    axes.plot(x, surrogate_function.primitive(x, *shape), label="primitive")
    axes.plot(x, surrogate_function.derivative(x, *shape), label="gradient")
    axes.set_xlim(low, high)
    axes.set_title(f"{type(surrogate_function).__name__}({surrogate_function.extra_repr()})")
    axes.set_xlabel("x, membrane potential minus threshold")
    axes.grid(linestyle=":", linewidth=0.6)
    axes.legend(frameon=False)
    return figure
