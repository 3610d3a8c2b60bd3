"""Programs for SpikingJelly 0.0.0.14 name a backend: taken, with a warning."""

import inspect
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import functional, kernels, layer, neuron

TODAY = {"torch": "eager", "cupy": "auto"}
NODES: list[tuple[str, tuple[Any, ...]]] = [
    ("IFNode", ()),
    ("LIFNode", ()),
    ("ParametricLIFNode", ()),
    ("QIFNode", ()),
    ("KLIFNode", ()),
    ("LIAFNode", (torch.relu, True)),
    ("PSN", (3,)),
    ("MaskedPSN", (2, 3)),
    ("NonSpikingLIFNode", ()),
    ("SimpleIFNode", ()),
    ("DSRIFNode", ()),
    ("STBIFNode", (1.0, 4)),
]


@pytest.mark.parametrize("older", TODAY)
@pytest.mark.parametrize(("name", "arguments"), NODES)
def test_constructor(name: str, arguments: tuple[Any, ...], older: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"'{older}' .* is '{TODAY[older]}'") as caught:
        node = getattr(neuron, name)(*arguments, backend=older)
    assert node.backend == TODAY[older]
    assert caught[0].filename == __file__, "the warning points to the user's line"


@pytest.mark.parametrize("name", neuron.catalogue())
def test_the_argument_is_not_shown(name: str) -> None:
    made: Any = neuron.catalogue()[name]
    assert "backend" not in inspect.signature(made).parameters
    with pytest.raises(ValueError, match=r"the backend must be one of .* but got 'tpu'"):
        made(**needed(made), backend="tpu")
    with pytest.raises(TypeError, match="unexpected argument 'tua'"):
        made(**needed(made), tua=2.0)


def needed(made: type) -> dict[str, Any]:
    known: dict[str, Any] = {
        "T": 3,
        "k": 2,
        "act": torch.relu,
        "threshold_related": True,
        "act_dim": 2,
        "dec_pop_dim": 3,
        "num_node": 6,
        "q_threshold": 1.0,
        "level": 4,
        "core": lambda x: x,
        "num_states": 0,
        "tau": 2.0,
        "decay_input": True,
        "split_threshold": 1.0,
        "gate_thresholds": (1.0,),
    }
    table = neuron.FewSpikeTable(*(torch.ones(3) for _ in range(3)))
    known |= {"table": table, "outlier_table": table, "tables": [table, table]}
    parameters = inspect.signature(made).parameters.values()
    found = {p.name: known[p.name] for p in parameters if p.default is p.empty and p.kind == 1}
    if made.__name__.startswith("MPBN"):
        found["out_features"] = 2
    return found


def test_names_of_today_need_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for backend in kernels.BACKENDS:
            assert neuron.LIFNode(backend=backend).backend == backend
        assert neuron.LIFNode().backend == "auto"


def test_set_backend() -> None:
    net = nn.Sequential(layer.Linear(2, 2), neuron.LIFNode(), neuron.IFNode())
    with pytest.warns(DeprecationWarning, match="'torch'") as caught:
        functional.set_backend(net, "torch", instance=neuron.LIFNode)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [module.backend for module in net] == ["auto", "eager", "auto"]
    functional.set_backend(net, "eager", (neuron.IFNode, layer.Linear))
    assert [module.backend for module in net] == ["eager"] * 3
    with pytest.warns(DeprecationWarning, match="'cupy'"):
        functional.set_backend(net, "cupy")
    assert [module.backend for module in net] == ["auto"] * 3
    with pytest.warns(DeprecationWarning, match="'torch'"):
        net[1].backend = "torch"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="tpu"):
        functional.set_backend(net, "tpu")


def test_layers_take_the_step_mode_by_position() -> None:
    made = layer.Conv2d(2, 3, 3, 1, 1, 1, 1, True, "zeros", "m")
    assert (made.step_mode, made.padding_mode) == ("m", "zeros")
    assert layer.MaxPool2d(2, 2, 0, 1, False, False, "m").step_mode == "m"
    assert layer.Linear(2, 2, False).step_mode == "s"
