"""The reference of Poisson encoding, and the check of its input."""

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from bitspike._seeds import seed_of


def _bounds(x: Tensor) -> tuple[float, float]:
    """Return the least and the greatest value; NaN if there is one."""
    if x.device.type == "cpu" and x.dtype == torch.float32:
        values = x.numpy()  # NumPy's need not wake torch's threads
        return float(values.min()), float(values.max())
    low, high = x.aminmax()
    return float(low), float(high)


def _has_values(x: Tensor) -> bool:
    """Return whether ``x`` has values, and no tracer would take a look at them for a constant."""
    if x.is_meta or is_fake(x) or torch._C._get_tracing_state() is not None:
        return False
    return get_proxy_mode() is None


def check_probabilities(x: Tensor) -> None:
    """Check the input of a Poisson encoder, where it has values.

    Raises:
        ValueError: if a value lies outside [0, 1] or is NaN.
    """
    if x.is_complex():
        raise ValueError(f"PoissonEncoder: the input must be real, but is {x.dtype}")
    if x.numel() == 0 or not _has_values(x):
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


def encode(
    x: Tensor,
    generator: torch.Generator | None,
    dtype: torch.dtype,
    one_step: bool = False,  # noqa: ARG001
) -> Tensor:
    """Return spikes with the probabilities ``x``: 1 where a uniform number lies below."""
    check_probabilities(x)
    return _draw(x, generator, dtype)


def _draw(x: Tensor, generator: torch.Generator | None, dtype: torch.dtype) -> Tensor:
    uniform = torch.rand(x.shape, generator=generator, dtype=torch.float32, device=x.device)
    return (uniform < x).to(dtype)


def encode_held(x: Tensor, T: int, seed: int, first: int) -> Tensor:
    """Return spikes ``[T, B, ...]`` of samples shown T steps, each from its own generator."""
    check_probabilities(x)
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    spikes = torch.empty((T, *x.shape), dtype=dtype, device=x.device)
    generator = torch.Generator(x.device)
    for b, sample in enumerate(x):
        generator.manual_seed(seed_of(seed, first + b, octets=8))
        spikes[:, b] = _draw(sample.expand(T, *sample.shape), generator, dtype)
    return spikes
