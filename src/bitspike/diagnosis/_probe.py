"""What one layer of neurons does during a run, summed up as it goes."""

from typing import Any

import torch
from torch import Tensor, nn

from bitspike.diagnosis._kinds import fires
from bitspike.diagnosis._report import LayerHealth


class Probe:
    """Hooks of one module: its inputs' gradients, its spikes, its membrane."""

    def __init__(self, name: str, module: Any, gradients: bool) -> None:
        self._name, self._module, self._gradients = name, module, gradients
        self._sequence = getattr(module, "step_mode", "s") == "m"
        self._fired: Tensor | None = None  # spikes of each neuron, over samples and steps
        self._chances = 0
        self.steps = 0  # time steps seen
        self._v: list[tuple[float, float]] = []
        self._norms: list[Tensor] = []  # one entry a call: the norm of each of its steps
        if self._sequence and hasattr(module, "store_v_seq"):
            module.store_v_seq = True
        module.register_forward_pre_hook(self._before)
        module.register_forward_hook(self._after)

    def _before(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:  # noqa: ARG002
        if not (self._gradients and args and isinstance(args[0], Tensor)):
            return None
        x, *others = args
        if not x.is_floating_point():
            return None
        # A view of its own: the gradient through this layer and through nothing beside it.
        x = x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
        steps = len(x) if self._sequence else 1
        call = len(self._norms)
        self._norms.append(torch.zeros(steps))

        def keep(grad: Tensor) -> None:
            self._norms[call] = grad.detach().reshape(steps, -1).double().norm(dim=1).cpu()

        x.register_hook(keep)
        return (x, *others)

    @torch.no_grad()
    def _after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, list):  # one of a step, from neurons that never fire
            output = torch.stack(output)
        if not isinstance(output, Tensor) or not output.numel():
            return
        self.steps += len(args[0]) if self._sequence and args else 1
        v = getattr(module, "v", None)
        if fires(module):
            self._count(output != 0)
            v_seq = getattr(module, "v_seq", None) if self._sequence else None
            v = v_seq if isinstance(v_seq, Tensor) else v
        else:
            self._fired = torch.zeros(v[0].numel() if isinstance(v, Tensor) else 0)
            v = output
        if isinstance(v, Tensor):
            low, high = torch.aminmax(v.double())
            self._v.append((float(low), float(high)))

    def _count(self, fired: Tensor) -> None:
        lead = fired.shape[: 2 if self._sequence else 1]
        spikes = fired.reshape(lead.numel(), -1).sum(0)
        if self._fired is None or self._fired.shape != spikes.shape:
            self._fired, self._chances = torch.zeros_like(spikes), 0  # the last shape counts
        self._fired = self._fired + spikes
        self._chances += lead.numel()

    def row(self, loss: bool) -> LayerHealth:
        """What has come together."""
        threshold = getattr(self._module, "v_threshold", None)
        gradient = None
        if loss and self._norms:
            gradient = tuple(float(norm) for norm in torch.cat(self._norms))
        spiking = fires(self._module) and self._fired is not None
        fired = self._fired if self._fired is not None else torch.zeros(0)
        return LayerHealth(
            name=self._name,
            kind=type(self._module).__name__,
            neurons=fired.numel(),
            rate=float(fired.double().mean()) / self._chances if spiking else None,
            dead=_share(fired == 0) if spiking else None,
            saturated=_share(fired == self._chances) if spiking else None,
            v_min=_extreme(min, [low for low, _ in self._v]),
            v_max=_extreme(max, [high for _, high in self._v]),
            v_threshold=float(threshold) if isinstance(threshold, int | float) else None,
            gradient=gradient,
        )


def _share(which: Tensor) -> float:
    return float(which.double().mean())


def _extreme(choose: Any, values: list[float]) -> float | None:
    """NaN if one is: min and max would pass over it."""
    if not values:
        return None
    return float("nan") if any(v != v for v in values) else float(choose(values))
