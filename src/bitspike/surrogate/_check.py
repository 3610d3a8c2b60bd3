"""A quick look whether a hand-written gradient is that of its primitive."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def check_manual_grad(
    primitive_function: Callable[..., Tensor],
    spiking_function: Callable[..., Tensor],
    *args: Any,
    **kwargs: Any,
) -> float:
    """Prints where the gradients of two functions differ most, for x from -2 to 2.

    Args:
        primitive_function: smooth function of ``x``, differentiated by autograd.
        spiking_function: function of ``x`` with a gradient of its own, such as
            ``surrogate.ATan.spiking_function`` or ``surrogate.atan``.
        *args: what both take beside ``x``.
        **kwargs: what both take beside ``x``, by name.

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
    print(  # noqa: T201 -- what it is called for
        f"largest difference of the gradients: {error[worst].item():.3g} at "
        f"x = {x[worst].item():.4g} (autograd {auto[worst].item():.6g}, "
        f"by hand {manual[worst].item():.6g})"
    )
    return error[worst].item()
