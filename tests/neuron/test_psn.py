"""The parallel spiking neurons: traces by hand, gradients, step modes, memory."""

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bitspike import functional
from bitspike.base import StateError
from bitspike.neuron import PSN, MaskedPSN, SlidingPSN
from bitspike.surrogate import ATan, Sigmoid


def series(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


def filled(node: Any, weight: Any, bias: Any) -> Any:
    node.load_state_dict(
        {**node.state_dict(), "weight": torch.tensor(weight), "bias": torch.tensor(bias)}
    )
    return node


def test_psn_by_hand() -> None:
    node = filled(PSN(T=2), [[1.0, -1.0], [1.0, 1.0]], [[-1.0], [-0.5]])
    assert node(series(2.0, 0.5)).flatten().tolist() == [1, 1]  # h = 0.5, 2
    assert node(series(2.0, 2.0)).flatten().tolist() == [0, 1]  # the second input forbids the first
    assert node(series(0.25, 0.25)).flatten().tolist() == [0, 1]  # h = -1, 0


def test_masked_by_hand() -> None:
    weight = [[1.0, 5.0, 5.0], [1.0, 1.0, 5.0], [7.0, 0.5, 1.0]]
    node = filled(MaskedPSN(k=2, T=3, lambda_init=1.0), weight, [[-1.0], [-1.0], [-2.0]])
    x = series(0.5, 0.5, 1.0)
    expected = [0, 1, 0]  # h = -0.5, 0, -0.75: neither 5 nor 7 is seen
    assert torch.stack([node(one) for one in x]).flatten().tolist() == expected
    node.step_mode = "m"
    assert node(x).flatten().tolist() == expected
    node.lambda_ = 0.5
    assert node.masked_weight()[0].tolist() == [1.0, 2.5, 2.5]
    assert node.mask0.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_sliding_by_hand() -> None:
    node = SlidingPSN(k=2)
    assert node.weight.tolist() == [0.5, 1.0]
    x = series(1.0, 0.5, 0.25, 1.0)  # h = 0, 0, -0.5, 0.125
    assert torch.stack([node(one) for one in x]).flatten().tolist() == [1, 1, 0, 1]
    assert node.gen_gemm_weight(3).tolist() == [[1, 0, 0], [0.5, 1, 0], [0, 0.5, 1]]
    assert SlidingPSN(k=4).weight.tolist() == [0.125, 0.25, 0.5, 1.0]


@settings(max_examples=30, derandomize=True)
@given(
    k=st.integers(1, 5),
    T=st.integers(1, 6),
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    masked=st.booleans(),
)
def test_steps_are_the_sequence(k: int, T: int, shape: list[int], masked: bool) -> None:
    torch.manual_seed(k + 7 * T)
    surrogate = Sigmoid(spiking=False)  # smooth: nothing hangs on rounding
    node: Any = (
        MaskedPSN(k, T, 1.0, surrogate) if masked else SlidingPSN(k, False, surrogate)
    ).double()
    x = torch.randn(T, *shape, dtype=torch.float64, requires_grad=True)
    wanted = [x, *node.parameters()]
    weight = torch.randn(x.shape, dtype=torch.float64)
    single = torch.stack([node(one) for one in x])
    grads = torch.autograd.grad((weight * single).sum(), wanted)
    node.step_mode = "m"
    whole = node(x)
    torch.testing.assert_close(single, whole)
    for value, expected in zip(
        grads, torch.autograd.grad((weight * whole).sum(), wanted), strict=True
    ):
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("node", [PSN(4), MaskedPSN(2, 4, 0.3), SlidingPSN(3)])
def test_gradcheck(node: Any) -> None:
    node = copy.deepcopy(node).double()
    node.surrogate_function = ATan(spiking=False)
    if not isinstance(node, PSN):
        node.step_mode = "m"
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in node.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Any:
        return torch.func.functional_call(node, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *node.parameters()), fast_mode=True)


def test_psn_is_one_kind_of_step_mode_only() -> None:
    assert PSN(3).step_mode == "m"
    with pytest.raises(ValueError, match="PSN: step_mode must be 'm'"):
        PSN(3).step_mode = "s"


def test_wrong_lengths() -> None:
    for node in (PSN(3), MaskedPSN(2, 3, step_mode="m")):
        with pytest.raises(ValueError, match=r"T = 3, but got shape \(4, 2\)"):
            node(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="T >= 1"):
        SlidingPSN(2, step_mode="m")(torch.zeros(0, 2))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: PSN(0), ValueError, "PSN: T must be 1 or more, but got 0"),
        (lambda: PSN(2.0), TypeError, "PSN: T must be an integer, but got 2.0"),  # type: ignore[arg-type]
        (lambda: MaskedPSN(True, 2), TypeError, "MaskedPSN: k must be an integer"),
        (lambda: MaskedPSN(2, -1), ValueError, "MaskedPSN: T must be"),
        (lambda: MaskedPSN(2, 2, "1"), TypeError, "lambda_init must be a number"),  # type: ignore[arg-type]
        (lambda: SlidingPSN(0), ValueError, "SlidingPSN: k must be"),
        (lambda: SlidingPSN(2, step_mode="x"), ValueError, "step_mode"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_masked_single_steps_end_at_T_and_need_the_whole_mask() -> None:  # noqa: N802
    node = MaskedPSN(2, 2, lambda_init=0.5)
    with pytest.raises(ValueError, match=r"lambda_ is 0\.5"):
        node(torch.zeros(3))
    node.lambda_ = 1
    for _ in range(2):
        node(torch.zeros(3))
    with pytest.raises(OverflowError, match=r"T=2 time steps\. Call functional\.reset_net"):
        node(torch.zeros(3))
    functional.reset_net(node)
    assert node.time_step == 0
    assert node.queue is None
    node(torch.zeros(3))


def test_multi_step_leaves_the_queue_alone() -> None:
    node = SlidingPSN(3)
    node(torch.ones(2))
    queue = node.queue
    node.step_mode = "m"
    node(torch.ones(4, 2))
    assert node.queue is queue


@pytest.mark.parametrize("make", [lambda: SlidingPSN(3), lambda: MaskedPSN(3, 9, 1.0)])
def test_queue_is_a_memory_like_any_other(make: Any) -> None:
    node = make()
    node(torch.ones(2, 3))
    node(torch.ones(2, 3, requires_grad=True)).sum().backward()
    assert node.queue.shape == (2, 2, 3)
    for copied in (copy.deepcopy(node), pickle.loads(pickle.dumps(node))):  # noqa: S301
        assert torch.equal(copied.queue, node.queue)
        assert not copied.queue.requires_grad
    with pytest.raises(StateError, match=r"already freed.*reset_net"):
        node(torch.ones(2, 3))
    functional.detach_net(node)
    node(torch.ones(2, 3))
    with pytest.raises(StateError, match=r"'queue'.*\(3, 2, 3\).*\(3, 2, 4\)"):
        node(torch.ones(2, 4))
    assert node.double().queue.dtype == torch.float64


def test_the_queue_holds_no_more_than_k() -> None:
    node = SlidingPSN(2)
    for value in range(5):
        node(torch.full((1,), float(value)))
    assert node.queue is not None
    assert node.queue.flatten().tolist() == [3, 4]


def test_potentials_stay_in_full_precision_under_autocast() -> None:
    node, x = PSN(4), torch.randn(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        s = node(x)
    assert s.dtype == torch.float32
    assert torch.equal(s, node(x))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)])
def test_the_functions_take_the_queue_of_the_module(shape: tuple[int, ...]) -> None:
    sliding = SlidingPSN(3)
    masked = MaskedPSN(3, T=5, lambda_init=1.0)
    for x in torch.rand(5, *shape):
        queues = [() if n.queue is None else n.queue for n in (sliding, masked)]
        for queue in (queues[0], tuple(queues[0]), [one.flatten() for one in queues[0]]):
            y, _ = functional.sliding_psn_step(
                x, queue, sliding.weight, sliding.bias, sliding.surrogate_function
            )
        assert torch.equal(y, sliding(x))
        y, _, after = functional.masked_psn_step(
            x, masked.time_step, queues[1], masked.masked_weight(), masked.bias, 3,
            masked.surrogate_function,
        )  # fmt: skip
        assert torch.equal(y, masked(x))
        assert all(one.shape == (x.numel(),) for one in after)
    with pytest.raises(ValueError, match=r"sliding_psn_step: the queue.*got shapes \(7,\)"):
        functional.sliding_psn_step(x, (torch.rand(7),), sliding.weight, sliding.bias, torch.relu)
