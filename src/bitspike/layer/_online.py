"""Layers for online training: spikes go forward, traces of spikes take their place in backward."""

from typing import Any

import torch
from torch import Tensor, nn

from bitspike.neuron import BaseNode
from bitspike.spikes import plain


class ReplaceforGrad(torch.autograd.Function):
    """``ReplaceforGrad.apply(x, x_r)`` is ``x_r``, and the gradient goes to both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, x_r: Tensor) -> Tensor:  # noqa: ARG004
        """Return ``x_r``."""
        return x_r.view_as(x_r)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG004
        """Return the gradient for both."""
        return grad, grad


def _with_trace(module: nn.Module, spike: Tensor, trace: Tensor) -> Tensor:
    with torch.no_grad():
        y = module(spike)
    z = module(ReplaceforGrad.apply(plain(spike), trace))  # type: ignore[no-untyped-call]
    out: Tensor = ReplaceforGrad.apply(z, y)  # type: ignore[no-untyped-call]
    return out


def _on_both(module: nn.Module, spike: Tensor, trace: Tensor) -> list[Tensor]:
    spike = module(spike)
    with torch.no_grad():
        return [spike, module(trace)]


class GradwithTrace(nn.Module):
    """Call a module on spikes, and take its parameters' gradients as if on traces.

    Forward takes ``[spike, trace]``, both ``[B, ...]``, and returns ``module(spike)``. In backward
    the input of ``module`` is ``trace``, the sum of earlier spikes that fades with time; the
    gradient with respect to the spikes is the ordinary one.

    Args:
        module: a stateless module with parameters.

    Paper: Xiao et al., "Online Training Through Time for Spiking Neural Networks", NeurIPS 2022.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return ``module(spike)`` for ``[spike, trace]``."""
        spike, trace = x
        return _with_trace(self.module, spike, trace)


class SpikeTraceOp(nn.Module):
    """Call a module without parameters on spikes and on their trace: pooling, flatten, dropout.

    Takes and returns ``[spike, trace]``, both ``[B, ...]``; no gradient flows through the trace.

    Args:
        module: a module without parameters.

    Paper: see `GradwithTrace`.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        """Return ``[module(spike), module(trace)]``."""
        spike, trace = x
        return _on_both(self.module, spike, trace)


class OTTTSequential(nn.Sequential):
    """An ``nn.Sequential`` for OTTT, which passes ``[spike, trace]`` from module to module.

    A module with parameters is called as by `GradwithTrace`, a neuron with the spikes alone, any
    other module as by `SpikeTraceOp`. Any other input passes as in ``nn.Sequential``.

    Paper: see `GradwithTrace`.
    """

    def forward(self, input: Any) -> Any:  # noqa: A002
        """Run one time step, ``[B, ...]`` or ``[spike, trace]``."""
        for module in self:
            if not isinstance(input, list):
                input = module(input)  # noqa: A001
            elif isinstance(module, BaseNode):
                input = module(input[0])  # noqa: A001
            elif next(module.parameters(), None) is None:
                input = _on_both(module, *input)  # noqa: A001
            else:
                input = _with_trace(module, *input)  # noqa: A001
        return input
