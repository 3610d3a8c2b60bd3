"""MPBN: what it is without BN, what re-parametrisation keeps, statistics, errors."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional
from bitspike.base import StateError
from bitspike.neuron import LIFNode, MPBNBaseNode, MPBNLIFNode
from bitspike.surrogate import ATan

T, B, C = 5, 6, 3


def images(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(T, B, C, 2, 2, generator=generator).double() + 0.5


def make(**options: Any) -> MPBNLIFNode:
    """A neuron whose normalisation is not trivial."""
    node = MPBNLIFNode(out_channels=C, step_mode="m", store_v_seq=True, **options).double()
    for index, (name, parameter) in enumerate(sorted(node.named_parameters())):
        start = 0.0 if name == "a" else 1.0 if name.endswith("weight") else -0.25
        nn.init.uniform_(parameter, start - 0.2, start + 0.2 + 0.1 * index)
    return node


@pytest.mark.parametrize("v_reset", [0.0, None])
def test_without_normalisation_it_is_a_lif_neuron(v_reset: float | None) -> None:
    options: dict[str, Any] = {"tau": 3, "decay_input": True, "v_reset": v_reset}
    node = MPBNLIFNode(out_features=4, mpbn=False, step_mode="m", **options)
    lif = LIFNode(step_mode="m", **options)
    x = torch.randn(T, B, 4) * 3
    assert torch.equal(node(x), lif(x))
    torch.testing.assert_close(node.v, lif.v, rtol=0, atol=0)


def test_single_steps_are_the_sequence() -> None:
    single, multi = MPBNLIFNode(out_channels=C, store_v_seq=True).double(), None
    multi = copy.deepcopy(single)
    multi.step_mode = "m"
    x = images()
    assert torch.equal(torch.stack([single(one) for one in x]), multi(x))
    torch.testing.assert_close(single.v_seq, multi.v_seq)
    for name, value in single.state_dict().items():
        torch.testing.assert_close(value, multi.state_dict()[name])
    assert single.vbn.num_batches_tracked == T


@pytest.mark.parametrize("learnable", [False, True])
def test_reparametrisation_keeps_spikes_and_potentials(learnable: bool) -> None:
    node = make(learnable_vth=learnable)
    node(images())
    node.reset()
    node.eval()
    expected = node(images(1))
    v_seq = node.v_seq
    node.reset()
    node.re_parameterize_v_threshold(normalize_residual=True)
    assert torch.equal(node(images(1)), expected)
    torch.testing.assert_close(node.v_seq, v_seq)
    assert 0.05 < expected.mean() < 0.95
    assert not hasattr(node, "a")
    assert "vbn.weight" not in node.state_dict()
    assert {"mu", "sigma2", "gamma", "beta"} == set(node.state_dict())


def test_statistics_after_reparametrisation() -> None:
    node = make(bn_momentum=0.5, bn_decay_momentum=0.5, bn_min_momentum=0.2)
    node.re_parameterize_v_threshold(running_stats=True)
    x = torch.full((1, B, C, 2, 2), 4.0).double()
    node(x)  # h = 4 everywhere
    torch.testing.assert_close(node.mu, torch.full((C,), 2.0).double())
    torch.testing.assert_close(node.sigma2, torch.full((C,), 0.5).double())
    assert node.bn_momentum == 0.25
    node.reset()
    node(x)
    torch.testing.assert_close(node.mu, torch.full((C,), 2.5).double())
    assert node.bn_momentum == 0.2
    node.running_stats = False
    node.reset()
    node(x)
    torch.testing.assert_close(node.mu, torch.full((C,), 4.0).double())
    node.eval()
    node.reset()
    node(x * 2)
    torch.testing.assert_close(node.mu, torch.full((C,), 4.0).double())


def test_reparametrisation_without_normalisation_does_nothing() -> None:
    node = MPBNLIFNode(out_channels=C, mpbn=False, learnable_vth=True)
    node.re_parameterize_v_threshold()
    assert not node.fold_bn
    assert node.learnable_vth


def test_folded_thresholds_follow_the_device_and_dtype_but_stay_out_of_the_state_dict() -> None:
    node: Any = make(learnable_vth=True)
    node.re_parameterize_v_threshold()
    assert "v_threshold" not in node.state_dict()
    assert node.float().v_threshold.dtype == torch.float32


@pytest.mark.parametrize("training", [True, False])
def test_gradcheck(training: bool) -> None:
    node = MPBNLIFNode(
        out_features=C, learnable_vth=True, step_mode="m", surrogate_function=ATan(spiking=False)
    ).double()
    node.train(training)
    names = [name for name, _ in node.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Any:
        node.reset()
        return torch.func.functional_call(node, dict(zip(names, values, strict=True)), (x,))

    x = torch.randn(3, 4, C, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x, *node.parameters()), fast_mode=True)


def test_state() -> None:
    node = make()
    node(images()).sum().backward()
    copy.deepcopy(node)
    with pytest.raises(StateError, match="already freed"):
        node(images())
    functional.reset_net(node)
    node(images())


def test_a_neuron_of_ones_own() -> None:
    class Integrator(MPBNBaseNode):
        def charge(self, x: Any, v: Any) -> Any:
            return v + x

    node = Integrator(out_features=1, mpbn=False, step_mode="m")
    assert node(torch.full((3, 2, 1), 0.5)).flatten().tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ValueError, "give either out_features.*or out_channels"),
        ({"out_features": 2, "out_channels": 2}, ValueError, "give either"),
        ({"out_features": 0}, ValueError, "out_features must be 1 or more"),
        ({"out_channels": 1.5}, TypeError, "out_channels must be an integer"),
        ({"out_features": 2, "tau": 1}, ValueError, "greater than 1"),
        ({"out_features": 2, "bn_momentum": "a"}, TypeError, "bn_momentum must be a number"),
    ],
)
def test_bad_arguments(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"MPBNLIFNode: {words}|{words}"):
        MPBNLIFNode(**options)


@pytest.mark.parametrize("shape", [(B, C), (B, C + 1, 2, 2), (B, C, 2)])
def test_bad_inputs(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a time step must be \[B, 3, H, W\], but got shape"):
        make()(torch.zeros(2, *shape).double())


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("moved", [False, True])
def test_a_functional_call_leaves_the_statistics(step_mode: str, moved: bool) -> None:
    node = MPBNLIFNode(out_features=3, step_mode=step_mode)
    x = torch.randn(4, 5, 3) if step_mode == "m" else torch.randn(5, 3)
    node(x)
    if moved:
        node.re_parameterize_v_threshold(running_stats=True)
    node.reset()
    twin = copy.deepcopy(node)
    own = dict(node.named_buffers())
    before = {name: value.clone() for name, value in own.items()}
    for call in (
        node.functional_forward,
        base.to_functional_forward(node),
        getattr(node, f"{'multi' if step_mode == 'm' else 'single'}_step_functional_forward"),
    ):
        (y,), (v,) = call((x,), (torch.zeros(5, 3),))
        assert node.v == 0.0
        assert node.bn_momentum == 0.1
        for name, value in node.named_buffers():
            assert value is own[name]
            assert torch.equal(value, before[name])
        twin.v = torch.zeros(5, 3)
        state = copy.deepcopy(twin.state_dict())
        momentum = twin.bn_momentum
        assert torch.equal(twin(x), y)
        assert torch.equal(twin.v, v)
        assert any(not torch.equal(value, state[name]) for name, value in twin.state_dict().items())
        twin.load_state_dict(state)
        twin.bn_momentum = momentum
