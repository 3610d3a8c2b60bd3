"""`FlexSN`: any function of one time step as a neuron."""

import copy
import functools
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, neuron
from bitspike.base import StateError
from bitspike.neuron import FlexSN
from bitspike.surrogate import Sigmoid

T, B, N = 5, 2, 3
SPIKE = Sigmoid()


def leaky(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    h = v + (x - v) / 2.0
    s = SPIKE(h - 1.0)
    return s, h * (1.0 - s)


def two(x: Tensor, y: Tensor, v: Tensor, w: Tensor, a: Tensor) -> tuple[Tensor, ...]:
    v = a * v + x
    w = 0.5 * w + y
    return v - w, v * w, v, w


def inputs(count: int = 1) -> list[Tensor]:
    return [torch.randn(T, B, N) + 0.8 for _ in range(count)]


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_is_the_neuron_that_it_describes(backend: str) -> None:
    (x,) = inputs()
    flex, lif = FlexSN(leaky, 1, store_state_seqs=True), neuron.LIFNode(step_mode="m")
    flex.backend, lif.store_v_seq = backend, True
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    got, want = flex(ours), lif(theirs)
    torch.testing.assert_close(got, want)
    assert flex.state_seqs is not None
    torch.testing.assert_close(flex.state_seqs[0], lif.v_seq)
    torch.testing.assert_close(flex.states[0], lif.v)
    weight = torch.linspace(-1, 1, x.numel()).view(x.shape)
    (got * weight).sum().backward()
    (want * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_steps_chunks_and_the_whole_agree() -> None:
    whole = FlexSN(two, 2, (torch.tensor(0.5),))
    steps = FlexSN(two, 2, (torch.tensor(0.5),), step_mode="s")
    x = inputs(2)
    outputs = whole(*x)
    assert [tuple(y.shape) for y in outputs] == [(T, B, N)] * 2
    single = [steps(*now) for now in zip(*x, strict=True)]
    functional.reset_net(whole)
    assert whole.states == (None, None)
    chunks = [whole(*(one[part] for one in x)) for part in (slice(0, 2), slice(2, T))]
    for k, y in enumerate(outputs):
        torch.testing.assert_close(y, torch.stack([one[k] for one in single]))
        torch.testing.assert_close(y, torch.cat([one[k] for one in chunks]))


def test_static_inputs_learn_and_move() -> None:
    a = nn.Parameter(torch.tensor(0.5))
    flex = FlexSN(two, 2, (a,), store_state_seqs=True)
    assert list(flex.parameters()) == [a]
    assert "a" not in flex.state_dict()
    y, _ = flex(*inputs(2))
    assert flex.state_seqs is not None
    assert [tuple(one.shape) for one in flex.state_seqs] == [(T, B, N)] * 2
    y.sum().backward()
    assert a.grad is not None
    assert flex.double().static_inputs[0].dtype == torch.float64
    buffer = FlexSN(two, 2, (torch.tensor(0.5),))
    assert list(buffer.parameters()) == []
    assert len(buffer.state_dict()) == 1


def test_copies_and_pickles_with_its_states() -> None:
    flex = FlexSN(leaky, 1, store_state_seqs=True)
    flex(inputs()[0].requires_grad_())
    file = io.BytesIO()
    torch.save(flex, file)
    file.seek(0)
    other: Any
    for other in (copy.deepcopy(flex), torch.load(file, weights_only=False)):
        assert torch.equal(other.states[0], flex.states[0])  # type: ignore[arg-type]
        assert other.state_seqs[0].grad_fn is None
    flex.store_state_seqs = False
    assert flex.state_seqs is None


def test_functional_forward_leaves_the_own_states_alone() -> None:
    flex = FlexSN(leaky, 1)
    (x,) = inputs()
    (y,), (v,) = flex.functional_forward((x,), (None,))
    assert flex.states == (None,)
    assert torch.equal(flex(x), y)
    assert torch.equal(flex.states[0], v)  # type: ignore[arg-type]
    (y,), _ = flex.functional_forward((x,), (torch.ones(B, N),), static_inputs=())
    assert y.shape == x.shape


def test_an_old_state_of_another_shape_is_an_error() -> None:
    flex = FlexSN(leaky, 1)
    flex(torch.zeros(T, B, N))
    with pytest.raises(StateError, match="reset_net"):
        flex(torch.zeros(T, B + 1, N))


def captures(value: Any) -> Any:
    return lambda x, v: (x * value, v)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((3, 1), TypeError, "must be a function"),
        ((leaky, -1), ValueError, "num_states must be"),
        ((leaky, True), ValueError, "num_states must be"),
        ((leaky, 2), ValueError, "takes 2 arguments, too few"),
        ((leaky, 1, (0.5,)), TypeError, "must be tensors"),
        ((lambda *x: x, 1), TypeError, r"not take \*args"),
        ((lambda x, v: x + v, 1), ValueError, "returned 1 values"),
        ((lambda x, v: (x + v, 1.0), 1), ValueError, "must return a tensor"),
        ((lambda x, v: (x.item.no, v), 1), RuntimeError, "does not run on zeros"),
        ((captures(torch.ones(1)), 1), TypeError, "static_inputs"),
        ((nn.Linear(1, 1), 0), TypeError, "static_inputs"),
        ((functools.partial(two, a=torch.ones(1)), 2), TypeError, "static_inputs"),
    ],
)
def test_what_is_refused(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^FlexSN: .*{words}"):
        FlexSN(*arguments)


def test_inputs_that_do_not_fit() -> None:
    flex = FlexSN(two, 2, (torch.tensor(0.5),))
    with pytest.raises(ValueError, match="core takes 2 inputs, but got 1"):
        flex(torch.zeros(T, B, N))
    with pytest.raises(ValueError, match="T = 5"):
        flex(torch.zeros(T, B, N), torch.zeros(T - 1, B, N))
    with pytest.raises(ValueError, match="T >= 1"):
        FlexSN(leaky, 1)(torch.zeros(0, B, N))
    with pytest.raises(ValueError, match="must be 2 tensors"):
        flex.states = (torch.zeros(1),)
    with pytest.raises(ValueError, match="at least one input"):
        FlexSN.init_states(1, "m")
    assert "core=leaky, num_states=1" in repr(FlexSN(leaky, 1))
