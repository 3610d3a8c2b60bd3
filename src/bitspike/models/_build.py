"""What the families share: how neurons are made, and what ``pretrained`` answers."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from bitspike import layer, neuron
from bitspike.base import StepModule

MakeNeuron = Callable[..., nn.Module]
MakeNorm = Callable[..., nn.Module]


def maker(spiking_neuron: MakeNeuron | None, kwargs: dict[str, Any]) -> Callable[[], nn.Module]:
    """A function that makes one neuron after the other, each with arguments of its own.

    None is `IFNode`. Arguments are copied for each neuron, so that a surrogate function with
    parameters is not shared.
    """
    kind = neuron.IFNode if spiking_neuron is None else spiking_neuron

    def make() -> nn.Module:
        return kind(**deepcopy(kwargs))

    return make


def refuse_pretrained(name: str, pretrained: bool) -> None:
    """Raises ValueError if ``pretrained`` is true."""
    if pretrained:
        raise ValueError(
            f"{name}: bitspike downloads no weights, and those of the network without spikes would "
            "not fit its neurons. Load a state_dict of your own: "
            "net.load_state_dict(torch.load(path, weights_only=True))"
        )


def flatten(x: Tensor, beside: nn.Module) -> Tensor:
    """Merges the axes after ``[B]`` or ``[T, B]``, in the step mode of the module ``beside``."""
    sequence = isinstance(beside, StepModule) and beside.step_mode == "m"
    return x.flatten(2 if sequence else 1)


def initialise(modules: Iterable[nn.Module]) -> None:
    """Kaiming's weights for convolutions, 1 and 0 for normalisations."""
    for module in modules:
        if isinstance(module, layer.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, layer.BatchNorm2d | layer.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def name_and_document(function: Callable[..., Any], name: str, text: str) -> None:
    """Gives a function that a table made the name and the docstring of a written one."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = "bitspike.models"
    function.__doc__ = text
