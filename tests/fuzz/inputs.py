"""Inputs of a case: their numbers, and how these lie in memory."""

import torch
from tests.fuzz.cases import Case
from torch import Tensor

from bitspike import encoding, kernels
from bitspike.spikes import SpikeTensor, pack

LAYOUTS = (
    "contiguous", "held", "held leaf", "one sample", "time behind batch", "last axes swapped",
    "sliced", "offset", "channels last", "held channels last",
)  # fmt: skip


def make(case: Case, call: int) -> Tensor:
    """The input ``[T, B, ...]`` of a call."""
    generator = torch.Generator().manual_seed(1000 * case.seed + call)
    shape = (case.T, case.B, *case.features)
    dtype = getattr(torch, case.dtype)
    random = torch.rand(shape, generator=generator, dtype=torch.float64)
    if case.input in ("dense", "binary"):
        if case.input == "binary":
            x = (random < case.rate).to(dtype)
        elif case.dyadic:
            x = (torch.floor(random * 13) / 4 - 1).to(dtype)
        else:
            x = (3 * random - 1).to(dtype)
        return lay_out(x, case.layout)
    if case.input == "packed":
        with kernels.use_backend(case.backend):
            return pack((random < case.rate).to(dtype))
    # Some pixels never fire, some always do.
    p = (random * 2 * case.rate).clamp(0, 1).to(dtype)
    p = torch.where(random > 0.95, 1.0, torch.where(random < 0.2, 0.0, p))
    torch.manual_seed(case.seed + call)
    with kernels.use_backend(case.backend):
        if case.input == "sequences":
            return encoding.PoissonSequences(case.T, case.seed)(p[0])
        image = p[:1].expand(shape) if case.input == "held poisson" else p
        spikes: Tensor = encoding.PoissonEncoder(step_mode="m")(image)
        return spikes


def lay_out(x: Tensor, layout: str) -> Tensor:
    """The sequence ``x`` in other memory; the held ones repeat their first step."""
    if layout in ("held", "held leaf"):
        return x[:1].clone().expand(x.shape)
    if layout == "one sample":
        return x[:, :1].clone().expand(x.shape)
    if layout == "time behind batch":
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    if layout == "last axes swapped":
        return x.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "sliced":
        wide = x.new_zeros(*x.shape[:-1], 2 * x.shape[-1] + 1)
        wide[..., 1::2] = x
        return wide[..., 1::2]
    if layout == "offset":
        memory = x.new_zeros(x.numel() + 3)
        memory[3:] = x.flatten()
        return memory[3:].view(x.shape)
    if layout == "channels last" and x.ndim > 3:
        return x.movedim(2, -1).contiguous().movedim(-1, 2)
    if layout == "held channels last" and x.ndim > 3:
        return x[:1].movedim(2, -1).contiguous().movedim(-1, 2).expand(x.shape)
    return x.clone()


def leaf(x: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    """What gets the gradient, and the input made of it.

    Of a held input that is one time step, unless the layout is ``held leaf``.
    """
    if not case.x_grad:
        return x, x
    if case.layout in ("held", "held channels last") and x.stride(0) == 0:
        one = x[:1].detach().requires_grad_()
        return one, one.expand(x.shape)
    x = x.detach().requires_grad_()
    return x, x


def dense(x: Tensor) -> Tensor:
    """The numbers of ``x`` in an ordinary tensor."""
    return x.dense() if isinstance(x, SpikeTensor) else x
