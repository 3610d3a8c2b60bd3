"""Online training: what the gradients are, and that memory does not grow with T."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitspike import functional, layer, neuron, spikes, surrogate
from bitspike.learning import EPropNetwork
from bitspike.learning.online_learning import (
    eprop_online_training,
    fptt_online_training,
    fptt_online_training_init_w_ra,
    ottt_online_training,
    sltt_online_training,
)

B = 3


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), neuron.LIFNode(), nn.Linear(4, 2))


def data(T: int) -> tuple[Tensor, Tensor]:
    return 2 * torch.rand(B, T, 5), torch.rand(B, T, 2)


def test_sltt_is_backward_without_time() -> None:
    """The gradient is that of the graph in which the membrane is cut at each step."""
    net, (x_seq, target) = plain(), data(6)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    loss, y = sltt_online_training(net, optimizer, x_seq, target, F.mse_loss, False)
    found = [p.grad for p in net.parameters()]
    optimizer.zero_grad()
    functional.reset_net(net)
    total = torch.zeros(())
    for t in range(6):
        total = total + F.mse_loss(net(x_seq[:, t]), target[:, t])
        functional.detach_net(net)
    total.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, total.detach())
    torch.testing.assert_close(found, [p.grad for p in net.parameters()])
    assert y.shape == (B, 6, 2)
    assert not y.requires_grad


def test_sltt_k_goes_backward_k_times() -> None:
    calls = []

    def loss(y: Tensor, target: Tensor) -> Tensor:
        calls.append(y.requires_grad)
        return F.mse_loss(y, target)

    net, (x_seq, target) = plain(), data(8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    chosen = []
    for seed in (1, 1, 2):
        calls.clear()
        generator = torch.Generator().manual_seed(seed)
        _, y = sltt_online_training(
            net, optimizer, x_seq, target, loss, True, k=3, generator=generator
        )
        functional.reset_net(net)
        assert calls.count(True) == 3
        assert len(calls) == y.shape[1] == 8
        chosen.append(tuple(calls))
    assert chosen[0] == chosen[1] != chosen[2]
    with pytest.raises(ValueError, match="k must lie in"):
        sltt_online_training(net, optimizer, x_seq, target, loss, True, k=9)


def test_ottt_gradient_by_its_formula() -> None:
    """``dW = sum_t (dL[t]/dI[t])^T trace[t-1 or t]`` with the trace of the layer's input spikes."""
    tau, steps = 2.0, 5
    first, second = neuron.OTTTLIFNode(tau=tau), neuron.OTTTLIFNode(tau=tau)
    net: Any = layer.OTTTSequential(
        nn.Linear(5, 4, bias=False), first, nn.Linear(4, 3, bias=False), second,
        nn.Linear(3, 2, bias=False),
    )  # fmt: skip
    with torch.no_grad():
        for linear in (net[0], net[2]):
            linear.weight.abs_()
    x_seq, target = data(steps)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    ottt_online_training(net, optimizer, x_seq, target, F.mse_loss, False)
    found = net[2].weight.grad

    w_in, w, w_out = (net[i].weight.detach() for i in (0, 2, 4))
    sg = surrogate.Sigmoid()
    v1, v2 = torch.zeros(B, 4), torch.zeros(B, 3)
    trace1, trace2 = torch.zeros(B, 4), torch.zeros(B, 3)
    expected = torch.zeros_like(w)
    for t in range(steps):
        h1 = v1 - v1 / tau + x_seq[:, t] @ w_in.t()
        s1 = (h1 >= 1).float()
        v1 = h1 - s1
        trace1 = trace1 * (1 - 1 / tau) + s1
        h2 = (v2 - v2 / tau + s1 @ w.t()).requires_grad_()
        s2 = sg(h2 - 1)
        trace2 = trace2 * (1 - 1 / tau) + s2.detach()
        (error,) = torch.autograd.grad(F.mse_loss(s2 @ w_out.t(), target[:, t]), h2)
        expected += error.t() @ trace1
        v2 = (h2 - s2).detach()
    assert found is not None
    torch.testing.assert_close(found, expected)
    assert expected.any()


def test_fptt_with_unused_parameter_and_spikes() -> None:
    """A parameter that the loss does not reach is held, and bits are taken step by step."""
    net: Any = nn.ModuleList([nn.Linear(70, 2), nn.Linear(2, 2)])
    forward = nn.Sequential(net[0], neuron.LIFNode())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    w_ra = fptt_online_training_init_w_ra(optimizer)
    unused = net[1].weight.detach().clone()
    x_seq = spikes.pack((torch.rand(4, B, 70) < 0.5).float())
    before = net[0].weight.detach().clone()
    fptt_online_training(forward, optimizer, x_seq, torch.rand(4, B, 2), F.mse_loss, 0.5, w_ra)
    torch.testing.assert_close(net[1].weight.detach(), unused)
    assert not torch.equal(net[0].weight, before)


@pytest.mark.parametrize("train", [ottt_online_training, sltt_online_training])
@pytest.mark.parametrize(("x", "target"), [((3, 4, 5), (3, 5, 2)), ((3, 0, 5), (3, 0, 2))])
def test_lengths_must_agree(
    train: Callable[..., Any], x: tuple[int, ...], target: tuple[int, ...]
) -> None:
    net = plain()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"\[B, T, ...\].*T >= 1"):
        train(net, optimizer, torch.rand(x), torch.rand(target), F.mse_loss, True)


def test_fptt_refuses() -> None:
    net = plain()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    w_ra = fptt_online_training_init_w_ra(optimizer)
    x_seq, target = torch.rand(2, B, 5), torch.rand(2, B, 2)
    with pytest.raises(ValueError, match="alpha"):
        fptt_online_training(net, optimizer, x_seq, target, F.mse_loss, 0.0, w_ra)
    with pytest.raises(ValueError, match="w_ra holds 1 tensors"):
        fptt_online_training(net, optimizer, x_seq, target, F.mse_loss, 0.1, w_ra[:1])
    with pytest.raises(ValueError, match=r"\[T, B"):
        fptt_online_training(net, optimizer, x_seq, target[:1], F.mse_loss, 0.1, w_ra)


# -- memory -------------------------------------------------------------------------------------


class _Saved:
    """What autograd keeps of one tensor, counted while it lives."""

    alive = peak = 0

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        _Saved.alive += tensor.numel()
        _Saved.peak = max(_Saved.peak, _Saved.alive)

    def __del__(self) -> None:
        _Saved.alive -= self.tensor.numel()


@contextmanager
def counting() -> Iterator[None]:
    _Saved.alive = _Saved.peak = 0
    with torch.autograd.graph.saved_tensors_hooks(_Saved, lambda saved: saved.tensor):
        yield


def bptt(
    net: nn.Module, optimizer: Any, x_seq: Tensor, target: Tensor, f_loss: Any, *_: Any
) -> None:
    y = torch.stack([net(x_seq[:, t]) for t in range(x_seq.shape[1])], 1)
    f_loss(y, target).backward()
    optimizer.step()


def fptt(
    net: nn.Module, optimizer: Any, x_seq: Tensor, target: Tensor, f_loss: Any, *_: Any
) -> None:
    w_ra = fptt_online_training_init_w_ra(optimizer)
    fptt_online_training(
        net, optimizer, x_seq.transpose(0, 1), target.transpose(0, 1), f_loss, 0.5, w_ra
    )


def ottt_net() -> nn.Module:
    return layer.OTTTSequential(nn.Linear(5, 4), neuron.OTTTLIFNode(), nn.Linear(4, 2))


METHODS: dict[str, tuple[Callable[..., Any], Callable[[], nn.Module]]] = {
    "OTTT": (ottt_online_training, ottt_net),
    "SLTT": (sltt_online_training, plain),
    "FPTT": (fptt, plain),
    "e-prop": (eprop_online_training, lambda: EPropNetwork(5, 4, 2, beta=0.5)),
}


def peak(train: Callable[..., Any], make: Callable[[], nn.Module], T: int) -> int:
    net = make()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x_seq, target = data(T)
    with counting():
        train(net, optimizer, x_seq, target, F.mse_loss, True)
    return _Saved.peak


@pytest.mark.parametrize("name", METHODS)
def test_memory_is_flat_over_time(name: str) -> None:
    train, make = METHODS[name]
    assert peak(train, make, 20) == peak(train, make, 4) > 0
    assert peak(bptt, plain, 20) > 4 * peak(bptt, plain, 4)
