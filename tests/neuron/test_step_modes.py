"""A loop of single steps, one call, and a call per chunk are the same computation."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bitspike.neuron import BaseNode, IFNode, LIFNode, ParametricLIFNode
from bitspike.surrogate import ATan, Sigmoid

ours = settings(max_examples=40, derandomize=True)


@st.composite
def nodes(draw: st.DrawFn) -> BaseNode:
    """Any neuron with any options."""
    cls: type[BaseNode] = draw(st.sampled_from([IFNode, LIFNode, ParametricLIFNode]))
    options: dict[str, Any] = {
        "v_threshold": draw(st.sampled_from([0.5, 1.0])),
        "v_reset": draw(st.sampled_from([None, 0.0, -0.25])),
        "surrogate_function": draw(st.sampled_from([ATan(), Sigmoid(), ATan(spiking=False)])),
        "detach_reset": draw(st.booleans()),
        "store_v_seq": True,
    }
    if cls is not IFNode:
        options["decay_input"] = draw(st.booleans())
        options["tau" if cls is LIFNode else "init_tau"] = draw(st.sampled_from([1.5, 2.0, 7.0]))
    return cls(**options)


@st.composite
def sequences(draw: st.DrawFn) -> Tensor:
    """Any sequence ``[T, B, ...]``, contiguous or not."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    x = torch.randn(shape, generator=generator, dtype=dtype) + 0.5
    layout = draw(st.sampled_from(["contiguous", "transposed", "strided", "expanded"]))
    if layout == "transposed":
        return x.transpose(0, -1)
    if layout == "strided":
        return x.repeat_interleave(2, 0)[::2]
    return x[:1].expand(draw(st.integers(1, 4)), *shape[1:]) if layout == "expanded" else x


def run(
    node: BaseNode, x: Tensor, lengths: list[int] | None, learn_from_v_seq: bool
) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """Spikes, last potential, all potentials, gradients; ``lengths`` of the chunks, None loops."""
    node.reset()
    node.zero_grad()
    x = x.detach().requires_grad_()
    v = torch.full(x.shape[1:], 0.25, dtype=x.dtype).requires_grad_()
    node.v = v
    if lengths is None:
        node.step_mode = "s"
        s = torch.stack([node(one) for one in x])
        assert isinstance(node.v_seq, Tensor)
        v_seq = node.v_seq
    else:
        node.step_mode = "m"
        spikes, potentials = [], []
        for chunk in torch.split(x, lengths):
            spikes.append(node(chunk))
            assert isinstance(node.v_seq, Tensor)
            potentials.append(node.v_seq)
        s, v_seq = torch.cat(spikes), torch.cat(potentials)
    assert isinstance(node.v, Tensor)
    weight = torch.linspace(-1, 2, s.numel(), dtype=s.dtype).view(s.shape)
    loss = (weight * s).sum() + 0.5 * node.v.sum()
    if learn_from_v_seq:
        loss = loss + (weight * v_seq).mean()
    wanted = {"x": x, "v": v, **dict(node.named_parameters())}
    gradients = torch.autograd.grad(loss, list(wanted.values()))
    return s, node.v, v_seq, dict(zip(wanted, gradients, strict=True))


def assert_same(node: BaseNode, x: Tensor, lengths: list[int], learn_from_v_seq: bool) -> None:
    loop, call = (run(node, x, how, learn_from_v_seq) for how in (None, lengths))
    for one, other in zip(loop[:3], call[:3], strict=True):
        assert torch.equal(one, other)
    assert call[0].shape == x.shape
    assert call[0].dtype is x.dtype
    rounding = 1e-5 if x.dtype is torch.float32 else 1e-12
    for name, gradient in loop[3].items():
        # w enters once a call, not once a step, and v_seq is stacked in another way: then the
        # gradient is the same sum in another order
        reordered = name == "w" or learn_from_v_seq
        tolerance = rounding if reordered else 0.0
        torch.testing.assert_close(gradient, call[3][name], rtol=tolerance, atol=tolerance)


@ours
@given(node=nodes(), x=sequences(), learn_from_v_seq=st.booleans())
def test_loop_is_call(node: BaseNode, x: Tensor, learn_from_v_seq: bool) -> None:
    assert_same(node, x, [len(x)], learn_from_v_seq)


@ours
@given(node=nodes(), x=sequences(), learn_from_v_seq=st.booleans(), data=st.data())
def test_chunks_are_the_whole(
    node: BaseNode, x: Tensor, learn_from_v_seq: bool, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(x)))
    assert_same(node, x, [length for length in (cut, len(x) - cut) if length], learn_from_v_seq)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 0), (3, 0, 2), (2, 1, 1, 1, 1, 1)])
def test_small_and_empty_shapes(shape: tuple[int, ...]) -> None:
    x = torch.ones(shape)
    node = LIFNode(step_mode="m")
    assert node(x).shape == shape
    assert isinstance(node.v, Tensor)
    assert node.v.shape == shape[1:]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3)])
def test_no_step_at_all_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"LIFNode: .* a sequence .* T >= 1, but got shape"):
        LIFNode(step_mode="m")(torch.ones(shape))


@given(x=sequences())
@ours
def test_samples_do_not_mix(x: Tensor) -> None:
    whole = LIFNode(step_mode="m")(x)
    if x.ndim > 1:
        for b in range(x.shape[1]):
            assert torch.equal(LIFNode(step_mode="m")(x[:, b]), whole[:, b])


@given(x=sequences())
@ours
def test_the_future_does_not_reach_back(x: Tensor) -> None:
    later = x.clone()
    later[-1] += 3
    before, after = LIFNode(step_mode="m")(x), LIFNode(step_mode="m")(later)
    assert torch.equal(before[:-1], after[:-1])
