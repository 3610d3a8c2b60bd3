"""The activation-aware neuron: channels by hand, both engines, errors."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional, kernels
from bitspike.base import StateError
from bitspike.neuron import ActivationAwareIFNode, IFNode
from bitspike.surrogate import ATan


def test_by_hand() -> None:
    node: Any = ActivationAwareIFNode(
        v_threshold=torch.tensor([1.0, 2.0, 2.0]), v_offset=torch.tensor([0.0, 0.0, 1.0])
    )
    x = torch.ones(1, 3)
    assert node(x).tolist() == [[1, 0, 1]]
    assert node.v.tolist() == [[0, 1, -1]]  # the offset shifts the comparison only
    assert node(x).tolist() == [[1, 1, 0]]
    assert node.v.tolist() == [[0, 0, 0]]


def test_without_channels_it_is_an_if_neuron() -> None:
    x = torch.randn(6, 4) + 0.5
    for v_reset in (None, 0, -0.5):
        node = ActivationAwareIFNode(v_threshold=1, v_reset=v_reset, step_mode="m")
        assert torch.equal(node(x), IFNode(v_reset=v_reset, step_mode="m")(x))


def make() -> Any:
    return ActivationAwareIFNode(
        torch.tensor([0.5, 1.0, 2.0]),
        torch.tensor([0.25, 0.0, 0.5]),
        channel_dim=1,
        surrogate_function=ATan(),
        store_v_seq=True,
    )


def test_single_steps_are_the_sequence() -> None:
    x = torch.randn(5, 2, 3, 4)
    single, multi = make(), make()
    multi.step_mode = "m"
    assert torch.equal(torch.stack([single(one) for one in x]), multi(x))
    assert torch.equal(single.v_seq, multi.v_seq)
    assert torch.equal(single.v, multi.v_seq[-1])


@pytest.mark.usefixtures("interpreted")
@pytest.mark.backend("auto")
def test_the_kernel_agrees() -> None:
    x = torch.randint(-8, 16, (5, 2, 3, 40)) / 8
    results: list[list[Tensor]] = []
    for backend in ("eager", "numba"):
        node, one = make(), x.clone().requires_grad_()
        node.step_mode, node.backend, node.store_v_seq = "m", backend, False
        s = node(one)
        weight = torch.linspace(-1, 2, x.numel()).view(x.shape)
        ((weight * s).sum() + node.v.sum()).backward()
        assert one.grad is not None
        results.append([s * 1.0, node.v, one.grad])
    for value, expected in zip(*results, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)


def test_gradcheck() -> None:
    node = ActivationAwareIFNode(
        torch.tensor([0.5, 1.0]), 0.25, surrogate_function=ATan(spiking=False), step_mode="m"
    ).double()

    def run(x: Tensor) -> Any:
        node.reset()
        return node(x)

    x = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x,))


def test_state_and_buffers() -> None:
    node = make()
    assert set(node.state_dict()) == {"v_threshold", "v_offset"}
    node(torch.ones(2, 3, requires_grad=True)).sum().backward()
    copy.deepcopy(node)
    with pytest.raises(StateError, match="already freed"):
        node(torch.ones(2, 3))
    functional.reset_net(node)
    assert node.v == 0.0
    assert node.double()(torch.ones(2, 3).double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"v_threshold": 0.0}, ValueError, "v_threshold must be positive"),
        ({"v_threshold": torch.tensor([1.0, -1.0])}, ValueError, "v_threshold must be positive"),
        ({"v_threshold": torch.ones(2, 2)}, ValueError, "one for each channel"),
        ({"v_offset": float("inf")}, ValueError, "v_offset must be finite"),
        ({"v_reset": "0"}, TypeError, "v_reset must be a number"),
        ({"channel_dim": 1.0}, TypeError, "channel_dim must be an integer"),
        ({"step_mode": "x"}, ValueError, "step_mode"),
    ],
)
def test_bad_arguments(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"ActivationAwareIFNode: {words}|{words}"):
        ActivationAwareIFNode(**options)


def test_bad_inputs() -> None:
    node = make()
    with pytest.raises(ValueError, match="out of range"):
        node(torch.ones(3))
    with pytest.raises(ValueError, match=r"has 3 channels.*\(3, 2\) has 2 in dimension 1"):
        node(torch.ones(3, 2))
    x = torch.ones(2, 3, requires_grad=True)
    one = torch.tensor(1.0)
    function = functional.activation_aware_if_multi_step
    with pytest.raises(RuntimeError, match="has no gradient"):
        function(x, torch.zeros(3), one, one, 1, 3)
    with pytest.raises(ValueError, match=r"shapes \(2, 3\) and \(2,\)"):
        function(x, torch.zeros(2), one, one, 1, 3)
    with pytest.raises(ValueError, match=r"no multiple of channel_size \* inner_size = 2 \* 1"):
        function(x.detach(), torch.zeros(3), one, one, 2, 1)
    with kernels.use_backend("eager"), torch.no_grad():
        assert function(x, torch.zeros(3), one, one * 0, 1, 3)[0].tolist() == [[1] * 3] * 2
