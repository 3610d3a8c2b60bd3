"""Spikes that are written into are what a dense tensor would be, and so are all their views."""

import copy
import gc
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike import layer, neuron, surrogate
from bitspike.spikes import SpikeTensor, pack, plain

T, B, N = 4, 3, 70
DENSE = (torch.rand(T, B, N, generator=torch.Generator().manual_seed(1)) < 0.3).float()


def spikes_of(x: Tensor, bits: bool) -> Tensor:
    """Spikes with a history, once as bits."""
    node = neuron.IFNode(0.5, surrogate_function=surrogate.ATan(), step_mode="m")
    node.backend = "numba" if bits else "eager"
    y: Tensor = node(x * 1)
    assert isinstance(y, SpikeTensor) == bits
    return y


def _total(y: Tensor) -> list[Tensor]:
    total = y[0]
    for t in range(1, T):
        total += y[t]
    return [total, y]


def _clone(y: Tensor) -> list[Tensor]:
    z = y.clone()
    z[0] = 0
    return [z, y]


def _step(y: Tensor) -> list[Tensor]:
    y[1] = 2 * y[0]
    return [y]


def _views(y: Tensor) -> list[Tensor]:
    flat, step, whole = y.flatten(0, 1), y[1], y.unsqueeze(0)
    flat *= 2
    y[1, 0] = 5
    return [flat, step, whole, y]


def _part_of_a_row(y: Tensor) -> list[Tensor]:
    y[..., 0] += 3
    return [y]


def _through_a_neuron(y: Tensor) -> list[Tensor]:
    """Autograd functions are handed arguments without a question."""
    y.mul_(0.5)
    single = neuron.IFNode(0.4)
    return [neuron.IFNode(0.4, step_mode="m")(y), single(y[0]), surrogate.ATan()(y - 0.3)]


def _through_a_layer(y: Tensor) -> list[Tensor]:
    y += 1
    linear = layer.Linear(N, 3, step_mode="m")
    nn.init.constant_(linear.weight, 0.1)
    nn.init.constant_(linear.bias, 0.1)
    return [linear(y), y.mean(0)]


def _surrogate(y: Tensor) -> list[Tensor]:
    y.sub_(0.5)
    return [surrogate.ATan()(y)]


USES: dict[str, Callable[[Tensor], list[Tensor]]] = {
    "a sum over time": _total,
    "a clone": _clone,
    "a step": _step,
    "views": _views,
    "a part of a row": _part_of_a_row,
    "neurons": _through_a_neuron,
    "a layer": _through_a_layer,
    "a surrogate": _surrogate,
    "F.relu_": lambda y: [F.relu_(y), y],
    "nn.ReLU": lambda y: [nn.ReLU(inplace=True)(y), y],
    "dropout": lambda y: [F.dropout(y, 1.0, inplace=True), y],
    "a view": lambda y: [y[0].zero_(), y],
    "a product": lambda y: [y.mul_(y + 1), y],
    "out": lambda y: [torch.add(DENSE, 1, out=y.detach()), y],
    "what a detached view shares": lambda y: [y.detach().add_(1), y],
    "a part that is a copy": lambda y: [y[..., 0].add_(1)],
}


@pytest.mark.parametrize("name", USES)
def test_in_inference_mode(name: str) -> None:
    results = []
    for bits in (True, False):
        with torch.inference_mode():
            x = torch.linspace(-1, 3, DENSE.numel()).view(DENSE.shape)
            results.append([one + 0 for one in USES[name](spikes_of(x, bits))])
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("name", USES)
def test_as_with_a_dense_tensor(name: str, learning: bool) -> None:
    results = []
    for bits in (True, False):
        x = torch.linspace(-1, 3, DENSE.numel()).view(DENSE.shape).requires_grad_(learning)
        outputs = USES[name](spikes_of(x, bits))
        found = [one.detach() + 0 for one in outputs]
        if learning and any(one.requires_grad for one in outputs):
            loss = sum(
                (one * torch.linspace(-1, 2, one.numel()).view(one.shape)).sum()
                for one in outputs
                if one.requires_grad
            )
            found.append(torch.autograd.grad(loss, x)[0])  # type: ignore[arg-type]
        results.append(found)
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want)


VIEWS: list[Callable[[Tensor], Tensor]] = [
    lambda s: s[0], lambda s: s[1:], lambda s: s[:, 1], lambda s: s.unsqueeze(0),
    lambda s: s.transpose(0, 1), lambda s: s.flatten(0, 1), lambda s: s.mT, lambda s: s.detach(),
    lambda s: s.view(s.shape),
]  # fmt: skip
MANY_VIEWS: list[Callable[[Tensor], Tensor]] = [
    lambda s: s.unbind(0)[-1],
    lambda s: torch.split(s, 2)[0],
]
"""Into these torch refuses to write where gradients are recorded."""
WRITES: list[Callable[[Tensor], Any]] = [
    lambda s: s.mul_(2), lambda s: s.add_(1), lambda s: s.__setitem__(0, 3), lambda s: s.zero_(),
    lambda s: s.neg_(), lambda s: s.__iadd__(s.detach()),
]  # fmt: skip


@settings(max_examples=60, derandomize=True)
@given(st.data(), st.booleans())
def test_any_views_and_writes(data: st.DataObject, learning: bool) -> None:
    """A family of views made and written into at random, against the same of a dense tensor."""
    x = torch.linspace(-1, 3, DENSE.numel()).view(T, B, 5, 14).requires_grad_(learning)
    bits, dense = [spikes_of(x, True)], [spikes_of(x, False)]
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(bits) - 1))
        if data.draw(st.booleans()) and dense[at].ndim > 1:
            view = data.draw(st.sampled_from(VIEWS if learning else VIEWS + MANY_VIEWS))
            bits.append(view(bits[at]))
            dense.append(view(dense[at]))
        else:
            write = data.draw(st.sampled_from(WRITES))
            write(bits[at])
            write(dense[at])
    for got, want in zip(bits, dense, strict=True):
        assert torch.equal(got.detach() + 0, want.detach() + 0)
        assert got.requires_grad == want.requires_grad
    if learning:
        gradients = [
            torch.autograd.grad(sum((s * s).sum() for s in family if s.requires_grad), x)[0]  # type: ignore[arg-type]
            for family in (bits, dense)
        ]
        torch.testing.assert_close(*gradients)


def test_a_part_whose_whole_is_gone() -> None:
    s = pack(DENSE)
    part = s[1:]
    inner = part[0]
    del s
    gc.collect()
    inner += 1
    part[1] = 7
    want = DENSE.clone()[1:]
    want[0] += 1
    want[1] = 7
    assert torch.equal(part + 0, want)
    assert torch.equal(inner + 0, want[0])


def test_a_leaf_that_requires_grad_is_refused() -> None:
    s = pack(DENSE).requires_grad_()
    with pytest.raises(RuntimeError, match=r"write into s\.dense\(\) or under torch\.no_grad"):
        s[0] = 0
    with torch.no_grad():
        s[0] = 0
    assert float(s[0].sum()) == 0


def test_what_is_written_is_no_spikes_any_more() -> None:
    s = pack(DENSE)
    s *= 2  # type: ignore[misc]
    alias = pack(DENSE)
    alias.mul_(2)
    for written in (s, alias):
        assert not isinstance(written, SpikeTensor)
        assert torch.equal(plain(written), 2 * DENSE)
        assert torch.equal(copy.deepcopy(written), 2 * DENSE)
        file = io.BytesIO()
        torch.save(written, file)
        file.seek(0)
        assert torch.equal(torch.load(file, weights_only=True), 2 * DENSE)
        assert written.shape == DENSE.shape
        assert written.numpy().sum() == 2 * float(DENSE.sum())
    assert torch.equal(alias.dense(), 2 * DENSE)


def test_what_dense_returns_may_be_written_into() -> None:
    x = torch.linspace(-1, 3, DENSE.numel()).view(DENSE.shape).requires_grad_()
    s = spikes_of(x, True)
    assert isinstance(s, SpikeTensor)
    dense = s.dense()
    dense[0] = 0
    dense *= 2
    torch.autograd.backward(dense.sum())
    assert x.grad is not None
    assert torch.equal(s + 0, spikes_of(x, False))


def test_views_do_not_keep_the_graph_or_each_other() -> None:
    x = torch.ones(T, B, N, requires_grad=True)
    s = spikes_of(x, True)
    kept = s.detach()
    for _ in range(100):
        s[0]
    assert s._family is not None  # type: ignore[attr-defined]
    assert len(s._family.members) < 50  # type: ignore[attr-defined]
    del s
    gc.collect()
    (only,) = kept._family.alive()  # type: ignore[attr-defined]
    assert only[0] is kept
