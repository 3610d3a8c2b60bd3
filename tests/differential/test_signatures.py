"""Constructors and functions take the same arguments, in the same order, with the same defaults."""

import inspect
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bitspike import base, encoding, functional, layer, monitor, neuron

TABLE = Path(__file__).parents[2] / "scripts/compatibility.toml"
NAMES = tomllib.loads(TABLE.read_text(encoding="utf-8"))["names"]
Parameters = list[tuple[str, Any]]


def parameters(function: Callable[..., Any]) -> Parameters:
    return [
        (p.name, p.default)
        for p in inspect.signature(function).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


def value_of(default: Any) -> Any:
    """The default, or if it is a function what it makes of a number."""
    is_plain = inspect.isfunction(default) and len(inspect.signature(default).parameters) == 1
    return ("function", default(1.25)) if is_plain else default


NODES = sorted(set(neuron.__all__) & set(NAMES["neuron"]) - {"BaseNode"})
POPULATION = {"act_dim": 2, "dec_pop_dim": 3}
NEEDED: dict[str, dict[str, Any]] = {
    "PSN": {"T": 3},
    "MaskedPSN": {"k": 2, "T": 3},
    "SlidingPSN": {"k": 2},
    "GatedLIFNode": {"T": 3},
    "MPBNBaseNode": {"out_features": 2},
    "MPBNLIFNode": {"out_features": 2},
    "SimpleLIFNode": {"tau": 2.0, "decay_input": True},
    **{f"{kind}Node": {"num_node": 4} for kind in ("NoisyBase", "NoisyCUBALIF")},
    **{f"NoisyILC{kind}Node": POPULATION for kind in ("Base", "CUBALIF")},
    **{f"ILC{kind}Node": POPULATION for kind in ("Base", "IF", "LIF", "CUBALIF")},
}
"""Arguments without default, or of which one must be given."""
LAYERS = sorted(set(layer.__all__) & set(NAMES["layer"]))
MONITORS = sorted(set(monitor.__all__) & set(NAMES["monitor"]))


@pytest.mark.parametrize("name", NODES)
def test_neuron(peer: Any, name: str) -> None:
    """Ours make a new surrogate for each neuron, where theirs share one."""
    ours, theirs = (parameters(getattr(module, name)) for module in (neuron, peer.neuron))
    for i, (parameter, default) in enumerate(theirs):
        if isinstance(default, torch.nn.Module):
            theirs[i] = (parameter, None)
            made = getattr(neuron, name)(**NEEDED.get(name, {})).surrogate_function
            assert type(made).__name__ == type(default).__name__
            u = torch.linspace(-2, 2, 41).requires_grad_()
            wanted = torch.autograd.grad(default(u).sum(), u)
            torch.testing.assert_close(torch.autograd.grad(made(u).sum(), u), wanted)
    assert ours == theirs


@pytest.mark.parametrize("name", LAYERS)
def test_layer(peer: Any, name: str) -> None:
    """Ours add torch's own ``device`` and ``dtype``, and write out the arguments of batch norm."""
    ours, theirs = (parameters(getattr(module, name)) for module in (layer, peer.layer))
    if name == "DropConnectLinear":  # a ReLU of its own in each library
        ours, theirs = ([(p, repr(default)) for p, default in own] for own in (ours, theirs))
    extra = [parameter for parameter in ours if parameter not in theirs]
    assert [p for p in ours if p not in extra] == theirs
    norm = set(inspect.signature(torch.nn.BatchNorm2d).parameters) if "BatchNorm" in name else set()
    assert {parameter for parameter, _ in extra} <= {"device", "dtype", "bias"} | norm


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


@pytest.mark.parametrize("name", sorted(set(functional.__all__) & set(NAMES["functional"])))
def test_function(peer: Any, name: str) -> None:
    ours, theirs = (
        [(p, value_of(default)) for p, default in parameters(getattr(module, name))]
        for module in (functional, peer.functional)
    )
    for i, (_, default) in enumerate(theirs):
        if default is inspect.Parameter.empty and i < len(ours):  # ours may have one
            ours[i] = (ours[i][0], default)
    assert ours == theirs


@pytest.mark.parametrize("name", ["extract_memories", "load_memories", "memories"])
def test_function_of_base(peer: Any, name: str) -> None:
    ours, theirs = (parameters(getattr(module, name)) for module in (base, peer.base))
    assert ours == theirs


def test_memory_module(peer: Any) -> None:
    for name in ("register_memory", "set_reset_value", "reset", "detach", "named_memories"):
        ours, theirs = (parameters(getattr(m.MemoryModule, name)) for m in (base, peer.base))
        assert ours == theirs
