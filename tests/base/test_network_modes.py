"""`set_step_mode`."""

import pytest
from torch import nn

from bitspike import base, encoding, functional, layer, neuron


class Whole(nn.Module, base.MultiStepModule):
    """Takes sequences only."""


def network() -> nn.Sequential:
    return nn.Sequential(
        encoding.PoissonEncoder(), nn.Sequential(layer.Linear(2, 2), neuron.IFNode()), nn.ReLU()
    )


def modes(net: nn.Module) -> list[str]:
    return [m.step_mode for m in net.modules() if isinstance(m, base.StepModule)]


def test_every_module_is_set() -> None:
    net = network()
    assert modes(net) == ["s", "s", "s"]
    functional.set_step_mode(net, "m")
    assert modes(net) == ["m", "m", "m"]
    functional.set_step_mode(net, "s")
    assert modes(net) == ["s", "s", "s"]


def test_a_module_that_refuses_leaves_all_as_they_were() -> None:
    net = network()
    net.append(Whole())
    with pytest.raises(ValueError, match=r"Whole '3' supports the step modes \('m',\).*'s'"):
        functional.set_step_mode(net, "s")
    assert modes(net) == ["s", "s", "s", "m"]
    functional.set_step_mode(net, "m")
    with pytest.raises(ValueError, match="Whole '3'"):
        functional.set_step_mode(net, "s")
    assert modes(net) == ["m", "m", "m", "m"]


@pytest.mark.parametrize("bad", ["x", "", None])
def test_unknown_mode(bad: str) -> None:
    net = network()
    with pytest.raises(ValueError, match="PoissonEncoder '0' supports the step modes"):
        functional.set_step_mode(net, bad)
    assert modes(net) == ["s", "s", "s"]
