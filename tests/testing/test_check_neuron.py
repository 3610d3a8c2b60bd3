"""The conformance suite passes what is right and catches what is wrong."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import neuron
from bitspike.neuron import BaseNode
from bitspike.surrogate import ATan
from bitspike.testing import ConformanceError, check_neuron


class Saturating(BaseNode):
    """A neuron that nobody has heard of: it leaks less the more it is charged."""

    def __init__(self) -> None:
        super().__init__(surrogate_function=ATan())
        self.strength = nn.Parameter(torch.tensor(0.3))

    def charge(self, x: Any, v: Any) -> Any:
        return v + x - self.strength * v / (1 + v * v)


class Tired(BaseNode):
    """Two states: what has fired needs more to fire again, and recovers."""

    state_names = ("v", "tiredness")

    def __init__(self) -> None:
        super().__init__(v_reset=None, surrogate_function=ATan())
        self.register_memory("tiredness", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        v, tiredness = states
        h = 0.5 * v + x
        s = self.surrogate_function(h - self.v_threshold - torch.tanh(tiredness))
        return s, h - s * self.v_threshold, 0.8 * tiredness + s


@pytest.mark.parametrize("make", [Saturating, Tired])
def test_neurons_of_ones_own_pass(make: Any) -> None:
    report = check_neuron(make)
    assert len(report.passed) == 6
    assert report.notes == []
    assert "ok    the compiled kernel gives" in str(report)


class Sorted(Saturating):
    def charge(self, x: Any, v: Any) -> Any:
        return v + x.sort(-1).values


def test_what_cannot_be_compiled_is_said() -> None:
    report = check_neuron(Sorted)
    assert any("not compiled" in note and "sort" in note for note in report.notes)


def test_a_silent_neuron_is_noticed() -> None:
    report = check_neuron(lambda: neuron.IFNode(v_threshold=1000.0))
    assert any("all outputs are equal" in note for note in report.notes)


class Forgetful(Saturating):
    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        self.reset()
        return super().multi_step_forward(x_seq)


class OffByOne(Saturating):
    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        return super().multi_step_forward(x_seq * 1.001)


class WrongGradient(Saturating):
    def charge(self, x: Any, v: Any) -> Any:
        return v + x.detach() + (x - x.detach()) * 2


class Hoarder(Saturating):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0.0

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        self.count += 1.0
        return super().step(x * (1 + 0.001 * self.count), *states)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Forgetful, "in two parts"),
        (OffByOne, "single steps"),
        (WrongGradient, "finite differences"),
        (Hoarder, r"single steps|parts|finite|kernel|anew"),
    ],
)
def test_broken_promises_are_caught(make: Any, words: str) -> None:
    with pytest.raises(ConformanceError, match=words):
        check_neuron(make)


def test_only_neurons() -> None:
    with pytest.raises(TypeError, match="must return a neuron"):
        check_neuron(nn.Identity)


def test_what_is_not_promised_is_not_checked() -> None:
    report = check_neuron(Forgetful, without=["parts", "kernel"])
    assert "not promised: parts" in report.notes
    assert len(report.passed) == 4
    with pytest.raises(ValueError, match=r"without=\['chunks'\], but promises are modes, parts"):
        check_neuron(Saturating, without=["chunks"])


def test_a_neuron_for_inference() -> None:
    report = check_neuron(lambda: neuron.STBIFNode(0.5, 8), without=["gradients", "kernel"])
    assert len(report.passed) == 4
    assert "not promised: gradients" in report.notes


def test_random_parameters_are_the_same_each_time() -> None:
    state = torch.random.get_rng_state()
    report = check_neuron(lambda: neuron.RecurrentLIFNode(features=5))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert len(report.passed) == 5


def test_a_gradient_of_its_own_is_not_compared_with_differences() -> None:
    report = check_neuron(neuron.MultiSpikeLIFNode)
    assert len(report.passed) == 5
    assert "no smooth primitive" in report.notes[0]
