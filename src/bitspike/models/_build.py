"""Parts that the families share: makers of neurons, of initial weights, of named networks."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from bitspike import layer, neuron
from bitspike.base import StepModule

MakeNeuron = Callable[..., nn.Module]
MakeNorm = Callable[..., nn.Module]


def maker(spiking_neuron: MakeNeuron | None, kwargs: dict[str, Any]) -> Callable[[], nn.Module]:
    """Return a function that makes neurons; None makes `IFNode`.

    Each gets a copy of the arguments, so that a surrogate function with parameters is not shared.
    """
    kind = neuron.IFNode if spiking_neuron is None else spiking_neuron

    def make() -> nn.Module:
        return kind(**deepcopy(kwargs))

    return make


def refuse_pretrained(name: str, pretrained: bool) -> None:
    """Raise ValueError if ``pretrained`` is true."""
    if pretrained:
        raise ValueError(
            f"{name}: bitspike downloads no weights, and those of the network without spikes would "
            "not fit its neurons. Load a state_dict of your own: "
            "net.load_state_dict(torch.load(path, weights_only=True))"
        )


def flatten(x: Tensor, beside: nn.Module) -> Tensor:
    """Merge the axes after ``[B]`` or ``[T, B]``, in the step mode of the module ``beside``."""
    sequence = isinstance(beside, StepModule) and beside.step_mode == "m"
    return x.flatten(2 if sequence else 1)


def initialise(modules: Iterable[nn.Module]) -> None:
    """Draw Kaiming's weights for convolutions; set 1 and 0 for normalisations."""
    for module in modules:
        if isinstance(module, layer.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, layer.BatchNorm2d | layer.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


Network = TypeVar("Network", bound=nn.Module, covariant=True)
Maker = TypeVar("Maker", bound=Callable[..., nn.Module])


class MakeNetwork(Protocol[Network]):
    """A function that makes a network in a published shape."""

    def __call__(
        self,
        pretrained: bool = False,
        progress: bool = True,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> Network: ...


_DOC = """`{kind}` in the shape of ``{shape}``.

Args:
    pretrained: must be False: there are no weights to download.
    progress: has no effect.{more}
    spiking_neuron: makes the neurons; None is `neuron.IFNode`.
    **kwargs: the other arguments of `{kind}`, and those of the neurons.

Raises:
    ValueError: if ``pretrained`` is true, and as `{kind}`.
"""


def described(make: Maker, name: str, kind: type[nn.Module], more: str = "") -> Maker:
    """Return ``make`` with the name and docstring of a maker of ``kind``."""
    make.__name__ = make.__qualname__ = name
    make.__module__ = "bitspike.models"
    shape, lines = name.split("_", 1)[1], f"\n    {more}" if more else ""
    make.__doc__ = _DOC.format(kind=kind.__name__, shape=shape, more=lines)
    return make
