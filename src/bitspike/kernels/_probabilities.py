"""What a Poisson encoder accepts."""

import torch
from torch import Tensor


def _bounds(x: Tensor) -> tuple[float, float]:
    """The least and the greatest value; NaN if there is one."""
    if x.device.type == "cpu" and x.dtype == torch.float32:
        values = x.numpy()  # NumPy's need not wake torch's threads
        return float(values.min()), float(values.max())
    low, high = x.aminmax()
    return float(low), float(high)


def check_probabilities(x: Tensor) -> None:
    """Looks at what a Poisson encoder is given.

    Raises:
        ValueError: if a value lies outside [0, 1] or is NaN.
    """
    if x.is_complex():
        raise ValueError(f"PoissonEncoder: the input must be real, but is {x.dtype}")
    if x.numel() == 0:
        return
    once = x.detach()
    for dim, stride in enumerate(x.stride()):
        if stride == 0:  # an expanded view repeats itself along this axis
            once = once.narrow(dim, 0, 1)
    low, high = _bounds(once)
    if not (low >= 0.0 and high <= 1.0):  # also true of NaN
        raise ValueError(
            f"PoissonEncoder: the input holds firing probabilities and must lie in [0, 1], but "
            f"its values range from {low:g} to {high:g} (shape {tuple(x.shape)}). Scale 8-bit "
            "images with x / 255."
        )
