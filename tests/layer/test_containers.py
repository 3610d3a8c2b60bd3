"""Containers, and what `set_step_mode` does to them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional, layer, neuron

T, B = 4, 3


def counter() -> nn.Module:
    return neuron.IFNode(v_threshold=2.0, v_reset=None)


def test_multi_step_container_calls_once_a_step() -> None:
    net = layer.MultiStepContainer(nn.Linear(5, 2), counter())
    x = torch.rand(T, B, 5)
    expected = torch.stack([nn.Sequential(*net)(one) for one in x])
    functional.reset_net(net)
    assert torch.equal(net(x), expected)
    functional.reset_net(net)
    last = layer.TLastMultiStepContainer(*net)
    assert torch.equal(last(x.movedim(0, -1)), expected.movedim(0, -1))


def test_seq_to_ann_container_is_one_large_batch() -> None:
    net = layer.SeqToANNContainer(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    x = torch.rand(T, B, 2, 5, 5)
    expected = nn.Sequential(*net)(x.flatten(0, 1)).view(T, B, 3, 3, 3)
    assert torch.equal(net(x), expected)
    last = layer.TLastSeqToANNContainer(*net)
    torch.testing.assert_close(last(x.movedim(0, -1)), expected.movedim(0, -1))


@pytest.mark.parametrize("stateful", [True, False])
def test_step_mode_container(stateful: bool) -> None:
    inner: list[nn.Module] = [nn.Linear(5, 2), counter() if stateful else nn.ReLU()]
    net = layer.StepModeContainer(stateful, "m", *inner)
    kind = layer.MultiStepContainer if stateful else layer.SeqToANNContainer
    x = torch.rand(T, B, 5)
    y = net(x)
    functional.reset_net(net)
    assert torch.equal(y, kind(*inner)(x))
    functional.reset_net(net)
    net.step_mode = "s"
    torch.testing.assert_close(torch.stack([net(one) for one in x]), y)


def containers() -> dict[str, nn.Module]:
    return {
        "MultiStepContainer": layer.MultiStepContainer(counter()),
        "SeqToANNContainer": layer.SeqToANNContainer(layer.Linear(2, 2)),
        "TLastMultiStepContainer": layer.TLastMultiStepContainer(counter()),
        "TLastSeqToANNContainer": layer.TLastSeqToANNContainer(layer.Linear(2, 2)),
        "StepModeContainer": layer.StepModeContainer(True, "s", counter()),
        "ElementWiseRecurrentContainer": layer.ElementWiseRecurrentContainer(counter(), torch.add),
        "LinearRecurrentContainer": layer.LinearRecurrentContainer(counter(), 2, 2),
    }


@pytest.mark.parametrize("name", containers())
def test_set_step_mode_stops_at_a_container(name: str) -> None:
    container: Any = containers()[name]
    net = nn.Sequential(layer.Linear(2, 2), container)
    functional.set_step_mode(net, "m")
    assert net[0].step_mode == container.step_mode == "m"
    inner = [m.step_mode for m in container.modules() if hasattr(m, "step_mode")][1:]
    assert inner == ["s"]
    if container.supported_step_mode() == ("m",):
        with pytest.raises(ValueError, match=f"{name} '1' supports"):
            functional.set_step_mode(net, "s")
    else:
        functional.set_step_mode(net, "s")
        assert container.step_mode == "s"


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", containers())
def test_what_wants_sequences_is_refused(name: str, nested: bool) -> None:
    inner: nn.Module = neuron.IFNode(step_mode="m")
    if nested:
        inner = nn.Sequential(nn.Identity(), inner)
    arguments: dict[str, tuple[Any, ...]] = {
        "StepModeContainer": (True, "s", inner),
        "ElementWiseRecurrentContainer": (inner, torch.add),
        "LinearRecurrentContainer": (inner, 2, 2),
    }
    with pytest.raises(ValueError, match=f"{name} calls .* IFNode must be in step_mode 's'"):
        getattr(layer, name)(*arguments.get(name, (inner,)))


def test_element_wise_recurrence_by_hand() -> None:
    net = layer.ElementWiseRecurrentContainer(nn.Identity(), lambda y, x: 0.5 * y + x, "m")
    y = net(torch.tensor([1.0, 0.0, 2.0]).view(3, 1, 1))
    assert y.flatten().tolist() == [1.0, 0.5, 2.25]


def test_linear_recurrence_by_hand() -> None:
    net = layer.LinearRecurrentContainer(nn.Linear(2, 1, bias=False), 2, 1, step_mode="m")
    assert net.rc.weight.shape == (2, 3)
    assert net.rc.bias is not None
    with torch.no_grad():
        net.rc.weight.copy_(torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]))
        net.rc.bias.zero_()
        net.sub_module.weight.fill_(1.0)  # type: ignore[operator]
    x = torch.tensor([[1.0, 2.0], [0.0, 1.0]]).view(2, 1, 2)
    assert net(x).flatten().tolist() == [3.0, 2.5]


def test_recurrent_states_hold_the_label_of_their_container() -> None:
    net = nn.Sequential(nn.Flatten(2), layer.ElementWiseRecurrentContainer(counter(), torch.mul))
    functional.set_step_mode(net, "m")
    net(torch.zeros(2, 3, 4))
    with pytest.raises(base.StateError, match="ElementWiseRecurrentContainer '1'"):
        net(torch.zeros(2, 2, 4))


def test_gradients_reach_the_first_step() -> None:
    net = layer.LinearRecurrentContainer(nn.Tanh(), 3, 3, step_mode="m")
    x: Tensor = torch.rand(T, B, 3, requires_grad=True)
    net(x)[-1].sum().backward()
    assert x.grad is not None
    assert (x.grad[0] != 0).any()
