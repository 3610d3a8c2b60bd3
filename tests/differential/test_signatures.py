"""Constructors and functions take the same arguments, in the same order, with the same defaults."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from bitspike import base, encoding, functional, layer, monitor, neuron, surrogate

Parameters = list[tuple[str, Any]]


def parameters(function: Callable[..., Any]) -> Parameters:
    return [
        (p.name, p.default)
        for p in inspect.signature(function).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


NODES = [name for name in neuron.__all__ if name != "BaseNode"]
LAYERS = [name for name in layer.__all__ if name != "Stepwise"]
MONITORS = list(monitor.__all__)


@pytest.mark.parametrize("name", NODES)
def test_neuron(peer: Any, name: str) -> None:
    ours, theirs = (parameters(getattr(module, name)) for module in (neuron, peer.neuron))
    where = [parameter for parameter, _ in theirs].index("surrogate_function")
    default = theirs[where][1]
    assert isinstance(default, peer.surrogate.Sigmoid)
    assert default.alpha == 4.0
    theirs[where] = ("surrogate_function", None)  # ours makes a new one for each neuron
    assert ours == theirs
    made = getattr(neuron, name)().surrogate_function
    assert isinstance(made, surrogate.Sigmoid)
    assert made.alpha == 4.0


@pytest.mark.parametrize("name", LAYERS)
def test_layer(peer: Any, name: str) -> None:
    """Ours add torch's own ``device`` and ``dtype``, and take ``step_mode`` by keyword only."""
    ours, theirs = (parameters(getattr(module, name)) for module in (layer, peer.layer))
    extra = [parameter for parameter in ours if parameter not in theirs]
    assert [p for p in ours if p not in extra] == theirs
    assert {parameter for parameter, _ in extra} <= {"device", "dtype", "bias"}
    if any(parameter == "bias" for parameter, _ in extra):  # new in torch's GroupNorm, BatchNorm
        assert "bias" in inspect.signature(getattr(layer, name)).parameters


@pytest.mark.parametrize("name", MONITORS)
def test_monitor(peer: Any, name: str) -> None:
    ours, theirs = (getattr(module, name) for module in (monitor, peer.monitor))
    for one, other in zip(parameters(ours), parameters(theirs), strict=True):
        assert one[0] == other[0]
        if one[0].startswith("function_on_"):  # the identity on either side
            assert one[1]("same") == other[1]("same") == "same"
        else:
            assert one[1] == other[1]
    public = {attribute for attribute in dir(theirs) if not attribute.startswith("_")}
    assert public <= set(dir(ours))


def test_encoder(peer: Any) -> None:
    ours, theirs = (parameters(m.PoissonEncoder) for m in (encoding, peer.encoding))
    assert ours == [*theirs, ("generator", None)]


OURS = {"set_backend"}  # SpikingJelly 2.0 has none


@pytest.mark.parametrize("name", sorted(set(functional.__all__) - OURS))
def test_function(peer: Any, name: str) -> None:
    ours, theirs = (parameters(getattr(module, name)) for module in (functional, peer.functional))
    assert ours == theirs


@pytest.mark.parametrize("name", ["extract_memories", "load_memories", "memories"])
def test_function_of_base(peer: Any, name: str) -> None:
    ours, theirs = (parameters(getattr(module, name)) for module in (base, peer.base))
    assert ours == theirs


def test_memory_module(peer: Any) -> None:
    for name in ("register_memory", "set_reset_value", "reset", "detach", "named_memories"):
        ours, theirs = (parameters(getattr(m.MemoryModule, name)) for m in (base, peer.base))
        assert ours == theirs
