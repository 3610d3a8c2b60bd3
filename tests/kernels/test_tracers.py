"""Kernels leave alone what has no memory, or is only looked at: there the reference runs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from bitspike import encoding, functional, kernels, layer, neuron, surrogate

pytestmark = pytest.mark.backend("auto")


class Network(nn.Module):
    """Firing rates of a network of every kind of kernel, from images held over time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            layer.Conv2d(3, 8, 3, padding=1), layer.BatchNorm2d(8), neuron.IFNode(0.3),
            layer.MaxPool2d(2), layer.Flatten(), layer.Linear(128, 10),
            neuron.ParametricLIFNode(v_threshold=0.05),
        )  # fmt: skip
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        rates: Tensor = self.body(x.expand(4, *x.shape)).mean(0)
        functional.reset_net(self)
        return rates


@pytest.fixture
def net() -> Network:
    return Network().eval()


@pytest.fixture
def x() -> Tensor:
    return 3 * torch.rand(2, 3, 8, 8)


def test_fake_tensors_give_shapes(net: Network, x: Tensor) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        rates = net(mode.from_tensor(x))
    assert rates.shape == (2, 10)
    assert net(x).shape == (2, 10)


def _fx(net: Network, x: Tensor) -> Callable[[Tensor], Tensor]:
    return make_fx(net)(x)  # type: ignore[no-any-return]


def _jit(net: Network, x: Tensor) -> Callable[[Tensor], Tensor]:
    return torch.jit.trace(net, x)  # type: ignore[no-any-return, no-untyped-call]


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*is deprecated")
@pytest.mark.parametrize("trace", [_fx, _jit])
def test_traces_compute_with_other_inputs(
    net: Network, x: Tensor, trace: Callable[..., Callable[[Tensor], Tensor]]
) -> None:
    traced, other = trace(net, x), x.flip(0, 2)
    assert not torch.equal(net(x), net(other))
    for images in (x, other):
        torch.testing.assert_close(traced(images), net(images))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*is deprecated")
def test_tensorboard_draws_the_graph(net: Network, x: Tensor, tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:  # type: ignore[no-untyped-call]
        writer.add_graph(net, x)  # type: ignore[no-untyped-call]
    assert any(tmp_path.iterdir())


def test_a_counting_mode_sees_every_product(net: Network, x: Tensor) -> None:
    with FlopCounterMode(display=False) as counter:
        net(x)
    assert counter.get_total_flops() == 2 * 2 * (8 * 27 * 64 + 4 * 8 * 16 * 10)


class _Tagged(Tensor):
    """A subclass with memory of its own, which torch's operations hand on."""


def test_subclasses_are_handed_on(net: Network, x: Tensor) -> None:
    rates = net(x.as_subclass(_Tagged))
    assert type(rates) is _Tagged
    assert torch.equal(rates.as_subclass(Tensor), net(x))


def test_a_kernel_asked_for_by_name_says_why_not(x: Tensor) -> None:
    node = neuron.IFNode(step_mode="m")
    node.backend = "numba"
    with pytest.raises(kernels.BackendError, match=r"a _Tagged is not a plain tensor"):
        node(x.as_subclass(_Tagged))
    with FakeTensorMode() as mode, pytest.raises(kernels.BackendError, match=r"dispatch mode"):
        node(mode.from_tensor(x))


@pytest.mark.parametrize("mode", [True, False])
def test_encoders_take_tensors_without_values(mode: bool) -> None:
    encoder = encoding.PoissonEncoder(step_mode="m" if mode else "s")
    with FakeTensorMode() as fakes:
        assert encoder(fakes.from_tensor(torch.rand(4, 2, 5))).shape == (4, 2, 5)
    assert encoder(torch.rand(4, 2, 5, device="meta")).shape == (4, 2, 5)


# -- contexts of the caller -----------------------------------------------------------------------


def _train(net: Network, x: Tensor) -> list[Tensor]:
    net.train().zero_grad()
    net(x).square().sum().backward()
    return [p.grad for p in net.parameters() if p.grad is not None]


@pytest.fixture
def everywhere_on_meta() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


def _spikes(x: Tensor, device: Any) -> list[Tensor]:
    """What encoders, fused layers, pooling and bits make of CPU tensors."""
    generator = torch.Generator("cpu").manual_seed(1)
    encoder = encoding.PoissonEncoder(step_mode="m", generator=generator)
    s = encoder(x.div(3).flatten(1).expand(9, 2, 192))
    torch.manual_seed(2)
    net = layer.FusedSequential(
        layer.Linear(192, 10, bias=False, device="cpu"),
        neuron.LIFNode(surrogate_function=surrogate.ATan()),
    )
    weight = torch.linspace(-0.1, 0.2, 1920, device="cpu").view(10, 192)
    nn.init.constant_(net[0].weight, 0.0).data.copy_(weight)
    functional.set_step_mode(net, "m")
    y = net(s)
    y.mean(0).sum().backward()
    turned = s.view(9, 2, 3, 8, 8).permute(0, 1, 3, 4, 2).contiguous()
    return [s.mean(0), y.mean(0), net[0].weight.grad, turned.float(), s[1:3].sum(0)]


@pytest.mark.parametrize("how", ["context", "default"])
def test_the_default_device_is_not_the_buffers(
    net: Network, x: Tensor, how: str, request: pytest.FixtureRequest
) -> None:
    wanted, bits = _train(net, x), _spikes(x, None)
    if how == "default":
        request.getfixturevalue("everywhere_on_meta")
        found, others = _train(net, x), _spikes(x, "cpu")
    else:
        with torch.device("meta"):
            found, others = _train(net, x), _spikes(x, "cpu")
    assert all(map(torch.equal, found, wanted))
    assert all(map(torch.equal, others, bits))


def test_training_after_a_look_in_inference_mode(net: Network) -> None:
    """Buffers are used again: those of inference mode could not be saved for backward."""
    x = 3 * torch.rand(16, 3, 8, 8)
    wanted = _train(net, x)
    kernels.release_buffers()
    with torch.inference_mode():
        net(x)
        net.eval()(x)
    assert all(map(torch.equal, _train(net, x), wanted))
