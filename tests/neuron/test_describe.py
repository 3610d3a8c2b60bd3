"""Neurons show the equations by which they work."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import neuron
from bitspike.neuron import BaseNode, equations


def lines(node: object) -> list[str]:
    return [line.strip() for line in str(node).splitlines()[1:]]


def test_a_lif_neuron_by_hand() -> None:
    assert str(neuron.LIFNode(tau=4.0)) == (
        "LIFNode(tau=4.0, decay_input=True, v_threshold=1.0, v_reset=0.0, detach_reset=False, "
        "step_mode='s')\n"
        "    H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau\n"
        "    S[t] = Theta(H[t] - v_threshold)\n"
        "    V[t] = H[t] (1 - S[t]) + v_reset S[t]\n"
        "    gradient of Theta: Sigmoid(alpha=4.0, spiking=True)"
    )


def test_equations_are_those_of_the_settings() -> None:
    soft = lines(neuron.LIFNode(v_reset=None, decay_input=False))
    assert soft[0] == "H[t] = V[t-1] - (V[t-1] - r) / tau + X[t]"
    assert soft[2] == "V[t] = H[t] - v_threshold S[t]"
    assert len(soft) == 4


def test_equations_of_bases_are_inherited_in_order() -> None:
    found = [left for left, _ in equations(neuron.CUBALIFNode)]
    assert found == ["C[t]", "H[t]", "S[t]", "V[t]", "V[t]"]
    assert lines(neuron.TernaryLIFNode())[2] == "V[t] = H[t] (1 - |S[t]|) + v_reset |S[t]|"


def test_equations_may_go_on_in_the_next_line() -> None:
    shown = lines(neuron.GatedLIFNode(T=2))
    assert shown[2] == "- gamma U[t] S[t-1] - (1 - gamma) v_subreset S[t-1]"


@pytest.mark.parametrize("name", neuron.catalogue())
def test_every_neuron_has_equations(name: str) -> None:
    kind = getattr(neuron, name)
    if hasattr(kind, "describe") and name != "NonSpikingBaseNode":
        assert equations(kind), f"{name}: the docstring has no equation"


class Mine(BaseNode):
    """Charge: ``H[t] = X[t] < V[t-1]``, and nothing else."""

    def charge(self, x: Any, v: Any) -> Any:
        return x < v


def test_a_neuron_of_ones_own_without_any_effort() -> None:
    assert lines(Mine())[0] == "H[t] = X[t] < V[t-1]"
    assert "H[t] = X[t] &lt; V[t-1]" in Mine()._repr_html_()
    assert Mine()._repr_html_().count("<pre>") == 1


def test_repr_stays_short() -> None:
    assert "H[t]" not in repr(nn.Sequential(neuron.LIFNode(), neuron.PSN(T=2)))


def test_showing_changes_nothing() -> None:
    node = neuron.LIFNode()
    node(torch.ones(2, 3))
    clone = pickle.loads(pickle.dumps(copy.deepcopy(node)))  # noqa: S301 -- our own
    before = node.v
    assert str(clone) == str(node)
    assert node.v is before
