"""The warning about silent layers."""

import copy
import pickle
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import functional, layer, neuron
from bitspike.diagnosis import SilentLayerWarning, watch

X = torch.zeros(4, 3, 2)


def net(*biases: float) -> Any:
    """Layers of neurons with constant currents."""
    parts: list[nn.Module] = []
    for bias in biases:
        linear = layer.Linear(2, 2)
        nn.init.zeros_(linear.weight)
        nn.init.constant_(linear.bias, bias)
        parts += [linear, neuron.IFNode()]
    made = nn.Sequential(*parts)
    functional.set_step_mode(made, "m")
    return made


def train(subject: nn.Module, batches: int) -> None:
    for _ in range(batches):
        subject(X)
        functional.reset_net(subject)


@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.backend(name)) for name in ("eager", "auto")]
)
def test_a_silent_layer_is_reported_once(backend: str) -> None:
    subject = net(1.0, 0.1)
    watch(subject, patience=5)
    train(subject, 4)
    with pytest.warns(SilentLayerWarning, match="IFNode '3' has not fired once in 5 calls"):
        train(subject, 1)
    train(subject, 20)  # warnings are errors here


def test_by_another_way() -> None:
    said: list[str] = []
    subject = net(0.1, 0.1)
    watch(subject, patience=2, tell=said.append)
    train(subject, 9)
    assert [text[:23] for text in said] == ["Warning: IFNode '1' has", "Warning: IFNode '3' has"]


def test_a_layer_that_falls_silent_later() -> None:
    subject = net(1.0)
    watch(subject, patience=3, pause=10)
    train(subject, 5)
    nn.init.zeros_(subject[0].bias)
    train(subject, 6 + 2)  # the rest of the pause, and two silent calls
    with pytest.warns(SilentLayerWarning):
        train(subject, 1)


def test_a_spike_now_and_then_is_enough() -> None:
    subject = net(0.0)
    watch(subject, patience=3, pause=0)
    for _ in range(4):
        train(subject, 2)
        nn.init.ones_(subject[0].bias)
        train(subject, 1)
        nn.init.zeros_(subject[0].bias)


def test_evaluation_does_not_count() -> None:
    subject = net(0.1)
    watch(subject, patience=2)
    with torch.no_grad():
        train(subject, 5)
    train(subject.eval(), 5)
    train(subject.train(), 1)


def test_end() -> None:
    subject = net(0.1)
    watched = watch(subject, patience=1)
    watched.close()
    watched.close()
    with watch(subject, patience=1):
        pass
    train(subject, 3)
    assert not subject[1]._forward_hooks


def test_copies_are_not_watched() -> None:
    subject = net(0.1)
    watch(subject, patience=2, tell=lambda _: None)
    train(copy.deepcopy(subject), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(pickle.loads(pickle.dumps(subject)), 5)  # noqa: S301 -- our own


def test_refused() -> None:
    with pytest.raises(ValueError, match="patience must be 1 or more"):
        watch(net(1.0), patience=0)
    with pytest.raises(ValueError, match="the network has no neurons"):
        watch(nn.Sequential(nn.Linear(2, 2)))


def test_neurons_that_never_fire_are_left_alone() -> None:
    subject = nn.Sequential(layer.Linear(2, 2), neuron.NonSpikingIFNode())
    functional.set_step_mode(subject, "m")
    watch(subject, patience=1)
    train(subject, 3)
