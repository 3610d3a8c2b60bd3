"""`save_memory`: the same numbers to the bit, from less that is kept."""

import copy
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from tests.processes import fresh
from torch import Tensor, nn

from bitspike import functional, layer, monitor, neuron
from bitspike.base import MemoryModule, StateError
from bitspike.spikes import SpikeTensor

T, B = 6, 3


def convolutional() -> nn.Sequential:
    """Batch norm, two kinds of dropout, a learnable leak, recorded potentials, nested chains."""
    torch.manual_seed(1)
    net = nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=1),
        layer.BatchNorm2d(4),
        neuron.ParametricLIFNode(store_v_seq=True),
        nn.Sequential(
            layer.MaxPool2d(2),
            layer.Dropout(0.3),
            layer.Conv2d(4, 8, 3),
            nn.Dropout(0.2),
            layer.BatchNorm2d(8),
            neuron.LIFNode(v_reset=None),
        ),
        layer.Flatten(),
        layer.Linear(32, 10),
        neuron.IFNode(v_threshold=0.4),
    )
    functional.set_step_mode(net, "m")
    return net


def linear(width: int = 12) -> nn.Sequential:
    torch.manual_seed(1)
    net = nn.Sequential(
        layer.Linear(7, width),
        neuron.LIFNode(v_threshold=0.3),
        layer.Linear(width, 5),
        neuron.ParametricLIFNode(v_threshold=0.1),
        layer.Linear(5, 4),
    )
    functional.set_step_mode(net, "m")
    return net


def images() -> Tensor:
    return 3 * torch.rand(T, B, 2, 8, 8, generator=torch.Generator().manual_seed(2))


def vectors(steps: int = T) -> Tensor:
    return 3 * torch.rand(steps, B, 7, generator=torch.Generator().manual_seed(2))


def memories(net: nn.Module) -> list[Tensor]:
    modules = [m for m in net.modules() if isinstance(m, MemoryModule)]
    return [v for m in modules for v in m._memories.values() if isinstance(v, Tensor)]


def trained(net: nn.Module, x: Tensor) -> list[Tensor]:
    """Everything that two forward calls with carried state and one backward leave behind."""
    torch.manual_seed(3)
    x = x.clone().requires_grad_()
    outputs = [net(x), net(0.7 * x)]
    states = memories(net)
    weight = torch.linspace(-1, 1, outputs[0].numel()).view_as(outputs[0])
    loss = sum((weight * y.square()).sum() + y.mean() for y in outputs)
    loss = loss + sum(state.square().mean() for state in states if state.requires_grad)
    loss.backward()
    assert x.grad is not None
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    assert len(grads) == len(list(net.parameters()))
    rest = [torch.get_rng_state(), *net.buffers()]
    return [x.grad, *grads, *(t.detach() * 1 for t in (*outputs, *states)), *rest]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(map(torch.equal, a, b))


# -- the same numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", [convolutional, linear])
def test_everything_is_the_same_to_the_bit(make: Callable[[], nn.Module]) -> None:
    x = images() if make is convolutional else vectors()
    expected = trained(make(), x)
    assert all(bool(one.any()) for one in expected[:3])
    assert same(trained(functional.save_memory(make()), x), expected)


@pytest.mark.backend("numba")
def test_the_same_to_the_bit_on_kernels() -> None:
    expected = trained(linear(70), vectors())
    assert same(trained(functional.save_memory(linear(70)), vectors()), expected)


@pytest.mark.parametrize("chunks", [2, 3, 6, 50])
def test_chunks_are_equal_up_to_rounding(chunks: int) -> None:
    expected = trained(linear(), vectors(7))
    got = trained(functional.save_memory(linear(), chunks=chunks), vectors(7))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("chunks", [2, 3])
def test_chunks_in_double_precision(chunks: int) -> None:
    expected = trained(linear().double(), vectors(7).double())
    got = trained(functional.save_memory(linear().double(), chunks=chunks), vectors(7).double())
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_chunks_leave_batch_norm_in_training_whole() -> None:
    expected = trained(convolutional(), images())
    got = trained(functional.save_memory(convolutional(), chunks=3), images())
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_chunks_with_batch_norm_in_evaluation() -> None:
    expected = trained(convolutional().eval(), images())
    with cut_at() as lengths:
        got = trained(functional.save_memory(convolutional().eval(), chunks=3), images())
    assert 2 in lengths
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


@contextmanager
def cut_at() -> Iterator[list[int]]:
    """Lengths of the sequences that linear layers see, layer hooks being no option here."""
    lengths: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        original = nn.functional.linear

        def spy(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
            lengths.append(len(x))
            return original(x, weight, bias)

        patch.setattr(nn.functional, "linear", spy)
        yield lengths


def test_autocast() -> None:
    def train(net: nn.Module) -> list[Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = net(vectors()).float().square().sum()
        loss.backward()
        return [p.grad for p in net.parameters() if p.grad is not None]

    full = linear()
    full(vectors()).square().sum().backward()
    expected = train(linear())
    assert not same(expected, [p.grad for p in full.parameters() if p.grad is not None])
    assert same(train(functional.save_memory(linear())), expected)


def test_only_some_parameters_learn() -> None:
    grads = []
    for net in (
        linear(),
        functional.save_memory(linear()),
        functional.save_memory(linear(), True, 2),
    ):
        for parameter in (net[0].weight, net[2].bias, net[3].w):
            parameter.requires_grad_(False)
        net(vectors()).sum().backward()
        grads.append([p.grad for p in net.parameters()])
    for other in grads[1:]:
        for a, b in zip(grads[0], other, strict=True):
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                torch.testing.assert_close(a, b)
    assert [g is None for g in grads[0]] == [True, False, False, True, True, False, False]


def test_a_shared_layer_gets_both_gradients() -> None:
    def net() -> nn.Sequential:
        torch.manual_seed(0)
        shared = layer.Linear(7, 7)
        made = nn.Sequential(
            shared, neuron.LIFNode(v_threshold=0.2), shared, neuron.LIFNode(v_threshold=0.2)
        )
        functional.set_step_mode(made, "m")
        return made

    expected = trained(net(), vectors())
    assert same(trained(functional.save_memory(net()), vectors()), expected)


def test_what_changes_between_forward_and_backward_does_not_matter() -> None:
    expected, net = convolutional(), functional.save_memory(convolutional())
    for one in (expected, net):
        torch.manual_seed(4)
        y = one(images())
        functional.reset_net(one)
        one.eval()
        functional.set_step_mode(one, "s")
        one(images()[0])
        torch.manual_seed(5)
        y.square().sum().backward()
    pairs = zip(net.parameters(), expected.parameters(), strict=True)
    assert all(torch.equal(a.grad, b.grad) for a, b in pairs)  # type: ignore[arg-type]
    assert not net[1].training
    assert net[0].step_mode == "s"
    assert net[2].v.shape == (B, 4, 8, 8)
    assert same(list(net.buffers()), list(expected.buffers()))


def test_parametrized_weights() -> None:
    results = []
    for saving in (False, True):
        net = linear()
        torch.nn.utils.parametrizations.spectral_norm(net[0])  # has buffers that forward changes
        functional.save_memory(net, enabled=saving)
        net(vectors()).square().sum().backward()
        results.append([*(p.grad for p in net.parameters()), *net.buffers()])
    assert same(*results)  # type: ignore[arg-type]


# -- state --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_forgotten_reset_is_noticed(chunks: int) -> None:
    net = functional.save_memory(linear(), chunks=chunks)
    net(vectors()).sum().backward()
    with pytest.raises(StateError, match=r"LIFNode '1': .*already freed"):
        net(vectors())
    functional.detach_net(net)
    net(vectors()).sum().backward()
    functional.reset_net(net)
    net(vectors()).sum().backward()


def test_a_failed_call_leaves_the_state() -> None:
    net = functional.save_memory(linear())
    net(vectors())
    before = memories(net)
    with pytest.raises(StateError, match="shape"):
        net(vectors()[:, :2])
    assert all(a is b for a, b in zip(memories(net), before, strict=True))


def test_truncated_backpropagation() -> None:
    grads = []
    for net in (linear(), functional.save_memory(linear())):
        for part in torch.split(vectors(9), 3):
            net(part).square().sum().backward()
            functional.detach_net(net)
        grads.append([p.grad for p in net.parameters() if p.grad is not None])
    assert same(*grads)


def test_backward_a_second_time() -> None:
    net = functional.save_memory(linear())
    y = net(vectors()).sum()
    y.backward(retain_graph=True)
    once = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    y.backward()
    assert all(torch.equal(p.grad, 2 * g) for p, g in zip(net.parameters(), once, strict=True))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_a_changed_weight_is_an_error_as_usual() -> None:
    net = functional.save_memory(linear())
    y = net(vectors())
    with torch.no_grad():
        next(net.parameters()).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# -- what is kept -------------------------------------------------------------------------------


def kept(net: nn.Module, x: Tensor) -> tuple[int, Tensor]:
    """Bytes that autograd keeps beside parameters and the input."""
    ignored = {p.data_ptr() for p in net.parameters()} | {x.data_ptr()}
    total = 0

    def pack(t: Tensor) -> Tensor:
        nonlocal total
        if isinstance(t, SpikeTensor):
            total += t.spike_bytes()
        elif t.data_ptr() not in ignored:
            total += t.numel() * t.itemsize
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = net(x)
    return total, y


@pytest.mark.parametrize(
    "backend", ["eager", pytest.param("numba", marks=pytest.mark.backend("numba"))]
)
def test_only_bits_are_kept(backend: str) -> None:
    width, steps = 64, 32
    net = nn.Sequential(
        layer.Linear(7, width), neuron.LIFNode(), layer.Linear(width, width), neuron.LIFNode()
    )
    functional.set_step_mode(net, "m")
    x = torch.rand(steps, B, 7)
    usual, _ = kept(copy.deepcopy(net), x)
    saved, y = kept(functional.save_memory(net), x)
    dense = 4 * steps * B * width
    assert usual >= 2 * dense  # at least the potentials of two neurons
    assert saved <= dense / 32 + 64  # the bits between them, and next to nothing
    functional.reset_net(net)
    in_chunks, y = kept(functional.save_memory(net, chunks=4), x)
    assert in_chunks <= 3 * 2 * 4 * B * width + 64  # potentials at three cuts
    y.sum().backward()  # type: ignore[no-untyped-call]


_PEAKS = """
import re
import torch
from torch import nn
from bitspike import functional, layer, neuron

def status(key):
    return int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

torch.set_num_threads(1)
net = nn.Sequential(layer.Linear(8, 512), neuron.LIFNode(), layer.Linear(512, 4), neuron.LIFNode())
functional.set_step_mode(net, "m")
functional.set_backend(net, "eager")
x = torch.rand(64, 128, 8)
for chunks in (8, 1):
    functional.save_memory(net, enabled=chunks > 1, chunks=chunks)
    net(torch.rand(2, 2, 8)).sum().backward()
    functional.reset_net(net)
    before = status("VmRSS")
    net(x).sum().backward()
    functional.reset_net(net)
    print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_of_memory() -> None:
    in_chunks, usual = map(float, fresh(_PEAKS).out.split())
    assert in_chunks < usual / 3


# -- the switch ---------------------------------------------------------------------------------


def test_names_and_type_stay_and_it_can_be_put_back() -> None:
    net = convolutional()
    plain, names = repr(net), list(net.state_dict())
    assert functional.save_memory(net) is net
    assert list(net.state_dict()) == names
    assert isinstance(net, nn.Sequential)
    assert repr(net).count("save_memory=True") == 2
    functional.save_memory(net, chunks=3)
    assert repr(net).count("save_memory=True, chunks=3") == 2
    functional.save_memory(net, enabled=False)
    assert repr(net) == plain
    assert type(net) is type(net[3]) is nn.Sequential
    assert "_chunks" not in vars(net)


class Own(nn.Sequential):
    """A user's class that forward is inherited by."""


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])  # noqa: S301
def test_copies(copied: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    net = Own(linear())
    functional.save_memory(net, chunks=2)
    twin = copied(net)
    assert isinstance(twin, Own)
    assert repr(twin) == repr(net)
    assert twin[0] is not net[0]
    assert same(trained(twin, vectors()), trained(net, vectors()))
    assert type(functional.save_memory(twin, enabled=False)) is Own


def test_slices_save_as_well() -> None:
    net = functional.save_memory(linear())
    assert repr(net[:2]).count("save_memory=True") == 1
    assert torch.equal(net[:2](vectors()), linear()[:2](vectors()))


def test_without_gradients_nothing_changes() -> None:
    expected, net = linear(), functional.save_memory(linear())
    with torch.no_grad():
        assert torch.equal(net(vectors()), expected(vectors()))
    for module in (net, expected):
        functional.reset_net(module)
        functional.set_step_mode(module, "s")
        module(vectors()[0]).sum().backward()
    assert all(
        torch.equal(a.grad, b.grad)  # type: ignore[arg-type]
        for a, b in zip(net.parameters(), expected.parameters(), strict=True)
    )


def test_monitors_see_everything_once() -> None:
    net = functional.save_memory(linear())
    with monitor.OutputMonitor(net, neuron.LIFNode) as outputs:
        net(vectors()).sum().backward()
        assert len(outputs.records) == 1


def test_other_containers_keep_working() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(layer.Linear(7, 7), neuron.LIFNode(v_threshold=0.2))

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = x + self.inner(x)
            return y

    def net() -> nn.Module:
        torch.manual_seed(0)
        made = nn.Sequential(Residual(), nn.Tanh(), Residual(), layer.Linear(7, 4))
        functional.set_step_mode(made, "m")
        return made

    saving = functional.save_memory(net())
    assert repr(saving).count("save_memory=True") == 3
    expected = trained(net(), vectors())
    assert same(trained(saving, vectors()), expected)


def test_mistakes() -> None:
    with pytest.raises(
        ValueError, match=r"no nn\.Sequential with a neuron in multi-step mode in this Linear"
    ):
        functional.save_memory(nn.Linear(2, 2))
    for chunks in (0, -1, 2.5):
        with pytest.raises(ValueError, match=re.escape(f"at least 1, but got {chunks}")):
            functional.save_memory(linear(), chunks=chunks)  # type: ignore[arg-type]
    functional.save_memory(nn.Linear(2, 2), enabled=False)
