"""The neurons of a network, and a probe that sums up what a layer of them does in a run."""

from typing import Any

import torch
from torch import Tensor, nn

from bitspike import neuron
from bitspike.diagnosis._report import LayerHealth

Kinds = type[nn.Module] | tuple[type[nn.Module], ...]

_NEURONS: tuple[type[nn.Module], ...] = tuple(
    kind for kind in vars(neuron).values() if isinstance(kind, type) and issubclass(kind, nn.Module)
)
_NEVER_FIRING = (neuron.NonSpikingBaseNode, neuron.NoisyNonSpikingBaseNode)


def find_neurons(net: nn.Module, kinds: Kinds | None) -> list[tuple[str, nn.Module]]:
    """Return names and modules of the neurons in ``net``; raise ValueError if there are none."""
    neurons = [(name, m) for name, m in net.named_modules() if isinstance(m, kinds or _NEURONS)]
    if not neurons:
        there = ", ".join(sorted({type(module).__name__ for module in net.modules()}))
        raise ValueError(
            f"the network has no neurons of bitspike's, only {there}; name the classes of yours: "
            "kinds=(MyNeuron,)"
        )
    return neurons


def fires(module: nn.Module) -> bool:
    """Return whether the outputs of the neuron are spikes."""
    return not isinstance(module, _NEVER_FIRING)


def label(name: str, module: nn.Module) -> str:
    """Return the module in words: ``LIFNode '2'``."""
    return f"{type(module).__name__} {name!r}" if name else type(module).__name__


class Probe:
    """Hooks of a module that record the gradients of its inputs, its spikes and its membrane."""

    def __init__(self, name: str, module: Any, gradients: bool) -> None:
        self._name, self._module, self._gradients = name, module, gradients
        self._multi_step = getattr(module, "step_mode", "s") == "m"
        self._spikes: Tensor | None = None  # of each neuron, summed over samples and steps
        self._chances = 0  # samples times steps
        self.steps = 0
        self._extremes: list[tuple[float, float]] = []  # of the membrane, in each call
        self._norms: list[Tensor] = []  # of the gradient at each step, for each call
        if self._multi_step and hasattr(module, "store_v_seq"):
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
        steps = len(x) if self._multi_step else 1
        call = len(self._norms)
        self._norms.append(torch.zeros(steps))

        def keep(grad: Tensor) -> None:
            self._norms[call] = grad.detach().reshape(steps, -1).double().norm(dim=1).cpu()

        x.register_hook(keep)
        return (x, *others)

    @torch.no_grad()
    def _after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, list):  # a tensor for each step, from neurons that never fire
            output = torch.stack(output)
        if not isinstance(output, Tensor) or not output.numel():
            return
        self.steps += len(args[0]) if self._multi_step and args else 1
        v = getattr(module, "v", None)
        if fires(module):
            self._count(output != 0)
            v_seq = getattr(module, "v_seq", None) if self._multi_step else None
            v = v_seq if isinstance(v_seq, Tensor) else v
        else:
            self._spikes = torch.zeros(v[0].numel() if isinstance(v, Tensor) else 0)
            v = output
        if isinstance(v, Tensor):
            low, high = torch.aminmax(v.double())
            self._extremes.append((float(low), float(high)))

    def _count(self, fired: Tensor) -> None:
        lead = fired.shape[: 2 if self._multi_step else 1]
        spikes = fired.reshape(lead.numel(), -1).sum(0)
        if self._spikes is None or self._spikes.shape != spikes.shape:
            self._spikes, self._chances = torch.zeros_like(spikes), 0  # the last shape counts
        self._spikes = self._spikes + spikes
        self._chances += lead.numel()

    def row(self) -> LayerHealth:
        """Return the report on the layer."""
        threshold = getattr(self._module, "v_threshold", None)
        spikes = torch.zeros(0) if self._spikes is None else self._spikes
        spiking = fires(self._module) and self._spikes is not None
        low, high = torch.tensor(self._extremes or [(0, 0)], dtype=torch.float64).T  # keeps NaN
        return LayerHealth(
            name=self._name,
            kind=type(self._module).__name__,
            neurons=spikes.numel(),
            rate=float(spikes.double().mean()) / self._chances if spiking else None,
            dead=_share(spikes == 0) if spiking else None,
            saturated=_share(spikes == self._chances) if spiking else None,
            v_min=float(low.min()) if self._extremes else None,
            v_max=float(high.max()) if self._extremes else None,
            v_threshold=float(threshold) if isinstance(threshold, int | float) else None,
            gradient=tuple(torch.cat(self._norms).tolist()) if self._norms else None,
        )


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean())
