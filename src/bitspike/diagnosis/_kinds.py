"""Which modules are neurons, and which of them fire."""

from torch import nn

from bitspike import neuron

Kinds = type[nn.Module] | tuple[type[nn.Module], ...]

NEURONS: tuple[type[nn.Module], ...] = tuple(
    kind for kind in vars(neuron).values() if isinstance(kind, type) and issubclass(kind, nn.Module)
)
NEVER_FIRING = (neuron.NonSpikingBaseNode, neuron.NoisyNonSpikingBaseNode)


def neurons(net: nn.Module, kinds: Kinds | None) -> list[tuple[str, nn.Module]]:
    """Names and modules of the neurons in ``net``.

    Raises:
        ValueError: if there are none.
    """
    found = [(name, m) for name, m in net.named_modules() if isinstance(m, kinds or NEURONS)]
    if not found:
        there = ", ".join(sorted({type(module).__name__ for module in net.modules()}))
        raise ValueError(
            f"the network has no neurons of bitspike's, only {there}; name the classes of yours: "
            "kinds=(MyNeuron,)"
        )
    return found


def fires(module: nn.Module) -> bool:
    """Whether the outputs of the neuron are spikes."""
    return not isinstance(module, NEVER_FIRING)


def label(name: str, module: nn.Module) -> str:
    """The module in words: ``LIFNode '2'``."""
    return f"{type(module).__name__} {name!r}" if name else type(module).__name__
