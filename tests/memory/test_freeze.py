"""`freeze`: the network's own output to the bit, and nothing else."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bitspike import encoding, functional, layer, neuron
from bitspike.spikes import SpikeTensor

T, B = 5, 3

either = pytest.mark.parametrize(
    "backend", ["eager", pytest.param("numba", marks=pytest.mark.backend("numba"))]
)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        layer.Linear(6, 70),
        layer.BatchNorm1d(70),
        neuron.LIFNode(v_threshold=0.3),
        layer.Dropout(0.5),
        layer.Linear(70, 4),
        neuron.ParametricLIFNode(v_threshold=0.1),
    )
    functional.set_step_mode(net, "m")
    return net


def inputs() -> Tensor:
    return 3 * torch.rand(T, B, 6, generator=torch.Generator().manual_seed(1))


def expected(net: nn.Module, x: Tensor) -> Tensor:
    was = net.training
    functional.reset_net(net.eval())
    with torch.no_grad():
        y: Tensor = net(x)
    functional.reset_net(net.train(was))
    return y


@either
def test_equal_to_the_network_at_every_call(backend: str) -> None:
    net = network()
    net(inputs())  # statistics of batch norm, and a state that is left behind
    y = expected(net, inputs())
    assert 0 < float(y.mean()) < 1
    frozen = functional.freeze(net)
    for _ in range(3):
        assert torch.equal(frozen(inputs()), y)
    assert frozen(inputs()[:, :1]).shape == (T, 1, 4)  # no state to fit


@pytest.mark.backend("numba")
def test_equal_on_constant_rate_input_and_on_spikes_of_neurons() -> None:
    net = nn.Sequential(layer.Flatten(), *list(network())[3:5], neuron.LIFNode(v_threshold=0.1))
    functional.set_step_mode(net, "m")
    frozen = functional.freeze(net)
    image = torch.rand(B, 7, 10)
    poisson = encoding.PoissonEncoder(step_mode="m")(image.expand(T, *image.shape))
    rows = SpikeTensor(poisson.bits.rows())
    for x in (poisson, rows, poisson):  # their tables have different sizes
        assert torch.equal(frozen(x), expected(net, x))


def test_single_steps_start_anew_each_time() -> None:
    net = network()
    functional.set_step_mode(net, "s")
    frozen = functional.freeze(net)
    x = inputs()[0]
    assert torch.equal(frozen(x), expected(net, x))
    assert torch.equal(frozen(x), frozen(x))


@either
def test_it_owns_its_weights(backend: str) -> None:
    net = network()
    frozen = functional.freeze(net)
    before = frozen(inputs())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3).add_(0.1)
    assert torch.equal(frozen(inputs()), before)
    assert not torch.equal(expected(net, inputs()), before)
    assert torch.equal(functional.freeze(net)(inputs()), expected(net, inputs()))


def test_the_network_is_left_alone() -> None:
    net = network()
    y = net(inputs())
    v = net[2].v
    functional.freeze(net)(inputs())
    assert net[2].v is v
    assert net.training
    assert all(p.requires_grad for p in net.parameters())
    y.sum().backward()


def test_it_refuses_training() -> None:
    frozen = functional.freeze(network())
    y = frozen(inputs())
    assert not y.requires_grad
    assert y.grad_fn is None
    with pytest.raises(RuntimeError, match=r"frozen, and no gradient .* \(5, 3, 6\)"):
        frozen(inputs().requires_grad_())
    with torch.no_grad():
        assert torch.equal(frozen(inputs().requires_grad_()), y)


def test_a_failed_call_leaves_no_state() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[1] == 2:
                raise RuntimeError("two")
            return x

    net = nn.Sequential(*list(network())[:3], Fails())
    frozen = functional.freeze(net)
    y = frozen(inputs())
    with pytest.raises(RuntimeError, match="two"):
        frozen(inputs()[:, :2])
    assert torch.equal(frozen(inputs()), y)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])  # noqa: S301
def test_copies(copied: Callable[[functional.Frozen], functional.Frozen]) -> None:
    frozen = functional.freeze(network())
    y = frozen(inputs())
    assert torch.equal(copied(frozen)(inputs()), y)
    assert repr(frozen).startswith("Frozen(Sequential(")


def test_nothing_but_modules_can_be_frozen() -> None:
    with pytest.raises(TypeError, match=r"torch\.nn\.Module, but got str"):
        functional.freeze("net")  # type: ignore[arg-type]
