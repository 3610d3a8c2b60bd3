"""What a step does beside its arithmetic: no kernel may leave it out without a word."""

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bitspike import dynamics, kernels, neuron, surrogate
from bitspike.kernels.scan import reference
from bitspike.spikes import SpikeTensor

pytestmark = pytest.mark.backend("auto")
SCALE = 1.0
CALLS: list[Any] = []


def why_not(step: Callable[..., Any], states: int = 1) -> str | None:
    """Why a step is not compiled."""
    chosen, why = kernels.explain_scan(step, torch.ones(4, 2, 3), [torch.ones(2, 3)] * states)
    assert (chosen == "numba") == (why is None)
    return why


def both(node: Any, x: Tensor) -> list[list[Tensor]]:
    """Outputs, potential and gradient of the input by the kernels and by the loop."""
    results = []
    for backend in ("auto", "eager"):
        node.reset()
        node.backend = backend
        inputs = x.clone().requires_grad_()
        y = node(inputs)
        (grad,) = torch.autograd.grad(y.sum() + node.v.sum(), inputs)
        results.append([y.dense() if isinstance(y, SpikeTensor) else y, node.v, grad])
    return results


def assert_both_are_the_same(node: Any, compiled: bool | None = None) -> None:
    x = 2 * torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    if compiled is not None:
        chosen, why = kernels.explain_scan(node.step, x, [torch.zeros(3, 4)])
        assert (chosen == "numba") is compiled, why
    for got, want in zip(*both(node, x), strict=True):
        torch.testing.assert_close(got, want)


def draw_python(x: Any, v: Any) -> Any:
    return x, v * random.random()  # noqa: S311


def draw_numpy(x: Any, v: Any) -> Any:
    return x, v * float(np.random.rand())  # noqa: NPY002


def draw_torch(x: Any, v: Any) -> Any:
    return x, v * torch.rand(())


def draw_and_branch(x: Any, v: Any) -> Any:
    return x, v * 2.0 if random.random() < 2 else v  # noqa: S311


def generators() -> tuple[Any, ...]:
    """Where the random generators stand."""
    words = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    return random.getstate(), words, torch.get_rng_state().tolist()


@pytest.mark.parametrize("step", [draw_python, draw_numpy, draw_torch, draw_and_branch])
def test_a_step_that_draws_random_numbers_runs_eagerly(step: Any) -> None:
    before = generators()
    for _ in range(2):
        assert why_not(step) == (
            "the neuron's step cannot be compiled, since it draws random numbers"
        )
    assert generators() == before


def test_the_same_seed_gives_the_same_numbers_as_the_loop() -> None:
    results = []
    for backend in ("auto", "eager"):
        random.seed(3)
        x, states = torch.ones(4, 2, 3), [torch.ones(2, 3)]
        results.append(kernels.scan(draw_python, x, states, backend=backend)[1][0])
    assert torch.equal(*results)


def test_a_generator_of_its_own_is_noticed() -> None:
    generator = random.Random(0)  # noqa: S311
    assert "other numbers" in str(why_not(lambda x, v: (x, v * generator.random())))


def test_a_clock_is_noticed() -> None:
    assert "other numbers" in str(why_not(lambda x, v: (x, v * time.perf_counter())))


def test_a_count_in_a_variable_is_noticed_and_put_back() -> None:
    count = 0

    def step(x: Any, v: Any) -> Any:
        nonlocal count
        count += 1
        return x, v * float(count)

    assert "writes into count" in str(why_not(step))
    assert count == 0


def test_values_that_are_kept_are_noticed() -> None:
    kept: list[Any] = []

    def in_a_variable(x: Any, v: Any) -> Any:
        kept.append(v)
        return x, v

    def in_a_global(x: Any, v: Any) -> Any:
        CALLS.append(x + v)
        return x, v

    assert "writes into kept" in str(why_not(in_a_variable))
    assert kept == []
    assert "keeps values" in str(why_not(in_a_global))
    CALLS.clear()


def test_values_of_an_earlier_call_are_noticed() -> None:
    kept: dict[str, Any] = {}

    class Holder:
        def step(self, x: Any, v: Any) -> Any:
            kept.setdefault("first", v)
            return x, v + kept["first"]

    assert why_not(Holder().step) is not None
    kept.clear()


def test_a_buffer_that_a_step_writes_into_is_noticed() -> None:
    count = torch.ones(())

    def step(x: Any, v: Any) -> Any:
        count.add_(1)
        return x, v * count

    assert why_not(step) is not None


def scaled(x: Any, v: Any) -> Any:
    return x, v * SCALE


def test_globals_are_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    x, states = torch.ones(3, 2), [torch.ones(2)]
    for value in (0.5, 0.25):
        monkeypatch.setitem(globals(), "SCALE", value)
        assert why_not(scaled) is None
        _, (v,), _ = kernels.scan(scaled, x, states)
        assert v.tolist() == [value**3] * 2


def test_a_step_that_asks_what_a_value_is_runs_eagerly() -> None:
    why = why_not(lambda x, v: (x, 2 * v if isinstance(v, Tensor) else v))
    assert why == (
        "the neuron's step cannot be compiled, since values differ from what is recorded"
    )


def test_only_gradients_differ() -> None:
    def step(x: Any, v: Any) -> Any:
        return x, v.detach() * v if isinstance(v, Tensor) else v * v

    assert "gradients differ" in str(why_not(step))


def test_a_proof_is_not_seen_by_hooks_of_saved_tensors() -> None:
    seen: list[Tensor] = []

    def pack(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        assert why_not(lambda x, v: (x * v, v * v * x)) is None
    assert not seen


def test_states_that_a_kernel_would_not_fit() -> None:
    why = kernels.explain_scan(lambda x, v: (x, v + x), torch.ones(2, 3, 4), [torch.ones(4)])[1]
    assert why == "a state has the shape (4,), a step (3, 4)"


# -- replaced methods and functions -------------------------------------------------------------


def other_charge(x: Any, v: Any, *_: Any) -> Any:
    return 0.25 * v + x


def ramp(x: Any, v: Any) -> Any:
    return (x >= 0).to(x), 0.5 * v + x


def lif(**arguments: Any) -> neuron.LIFNode:
    """A neuron whose equations have been recorded before."""
    node = neuron.LIFNode(step_mode="m", surrogate_function=surrogate.ATan(), **arguments)
    node(torch.zeros(2, 3, 4))
    return node


@pytest.mark.usefixtures("interpreted")
def test_a_replaced_method_of_an_object() -> None:
    node = lif()
    node.charge = other_charge  # type: ignore[method-assign]
    assert_both_are_the_same(node, compiled=True)
    node = lif()
    node.fire = lambda h: node.surrogate_function(h - 0.3)  # type: ignore[method-assign]
    assert_both_are_the_same(node, compiled=True)
    node = lif()
    node.reset_potential = lambda h, s: h * (1 - s)  # type: ignore[method-assign]
    assert_both_are_the_same(node, compiled=True)
    node = lif()
    node.step = ramp  # type: ignore[method-assign]
    assert_both_are_the_same(node, compiled=True)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(
    ("owner", "name", "function"),
    [
        (neuron.LIFNode, "charge", lambda _, x, v: 0.25 * v + x),
        (neuron.BaseNode, "fire", lambda self, h: self.surrogate_function(h - 0.3)),
        (neuron.BaseNode, "reset_potential", lambda _, h, s: h * (1 - s)),
        (dynamics, "lif_charge", other_charge),
        (dynamics, "voltage_reset", lambda h, s, *_: 0.5 * h * (1 - s)),
        (surrogate.ATan, "derivative", staticmethod(lambda x, alpha: alpha + 0 * x)),
        (surrogate.ATan, "fire", staticmethod(lambda x, _: 3.0 * (x >= 0).to(x))),
        (surrogate.ATan, "forward", lambda _, x: 2 * torch.sigmoid(x)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_replaced_function(
    owner: Any, name: str, function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lif()
    monkeypatch.setattr(owner, name, function)
    assert_both_are_the_same(lif())
    monkeypatch.undo()
    assert_both_are_the_same(lif(), compiled=True)


@pytest.mark.usefixtures("interpreted")
def test_a_replaced_forward_of_a_surrogate() -> None:
    node = lif()
    spike: Any = node.surrogate_function
    spike.forward = lambda x: 2 * torch.sigmoid(x)
    assert_both_are_the_same(node)


SLOPE = 1.0


class OfGlobals(surrogate.SurrogateFunctionBase):
    """Its slope is a variable of this file."""

    @staticmethod
    def primitive(x: Any) -> Any:
        return SLOPE * x

    @staticmethod
    def derivative(x: Any) -> Any:
        return SLOPE * torch.ones_like(x)


class Unrecordable(surrogate.SurrogateFunctionBase):
    """Its derivative is not elementwise."""

    @staticmethod
    def primitive(x: Any) -> Any:
        return x

    @staticmethod
    def derivative(x: Any) -> Any:
        return x.softmax(-1)


surrogate.registry.pop("OfGlobals")
surrogate.registry.pop("Unrecordable")


@pytest.mark.usefixtures("interpreted")
def test_a_derivative_that_reads_a_global(monkeypatch: pytest.MonkeyPatch) -> None:
    node = neuron.LIFNode(step_mode="m", surrogate_function=OfGlobals())
    assert_both_are_the_same(node, compiled=True)
    monkeypatch.setitem(globals(), "SLOPE", 3.0)
    assert_both_are_the_same(node, compiled=True)


def test_a_derivative_that_cannot_be_recorded_runs_eagerly() -> None:
    node = neuron.LIFNode(step_mode="m", surrogate_function=Unrecordable())
    assert_both_are_the_same(node, compiled=False)


@pytest.mark.usefixtures("interpreted")
def test_hooks_of_a_surrogate_see_every_step() -> None:
    node = lif()
    seen: list[None] = []
    spike: Any = node.surrogate_function
    hook = spike.register_forward_hook(lambda *_: seen.append(None))
    node.reset()
    node(torch.zeros(5, 3, 4))
    assert len(seen) == 5
    hook.remove()
    hook = spike.register_full_backward_hook(lambda _, to, of: tuple(2 * g for g in to))  # noqa: ARG005
    assert_both_are_the_same(node, compiled=False)
    hook.remove()
    assert_both_are_the_same(node, compiled=True)


# -- dtypes and tensors as parameters -----------------------------------------------------------


@pytest.mark.usefixtures("interpreted")
def test_thresholds_that_are_tensors() -> None:
    for threshold in (
        torch.tensor(0.7), torch.tensor(0.7, dtype=torch.float64), torch.rand(4), torch.rand(3, 1),
        torch.ones(1, 1, 1), torch.rand(4, dtype=torch.float64), torch.tensor(1),
    ):  # fmt: skip
        node = lif()
        node.v_threshold = threshold  # type: ignore[assignment]
        x = 2 * torch.randn(5, 3, 4)
        _, why = kernels.explain_scan(node.step, x, [torch.zeros(3, 4)])
        fits = threshold.ndim < 3 and threshold.is_floating_point()
        fits &= threshold.ndim == 0 or threshold.dtype == torch.float32
        assert (why is None) is fits, (threshold, why)
        if threshold.ndim < 3:
            expected = reference.scan(node.step, x, [torch.zeros(3, 4)])
            got = kernels.scan(node.step, x, [torch.zeros(3, 4)])
            torch.testing.assert_close(got[0] + 0, expected[0])
            torch.testing.assert_close(got[1], expected[1])
        if threshold.ndim == 0 and threshold.is_floating_point():  # it may change in place
            threshold.fill_(0.1)
            assert_both_are_the_same(node)


def test_float64() -> None:
    def step(x: Any, v: Any) -> Any:
        return (x > 0.3).to(x) * 0.1, v + 0.1 * x

    x, states = torch.randn(4, 5, dtype=torch.float64), [torch.zeros(5, dtype=torch.float64)]
    assert kernels.explain_scan(step, x, states) == ("numba", None)
    assert torch.equal(kernels.scan(step, x, states)[0], reference.scan(step, x, states)[0])
    # A truth times 0.1 is of the default dtype, float32; so is the choice of two numbers.
    for wrong in (lambda x, v: ((x > 0.3) * 0.1 + v, v), lambda x, v: (x.float() * v, v)):
        assert kernels.explain_scan(wrong, x, states)[0] == "eager"
        assert kernels.explain_scan(wrong, x.float(), [states[0].float()])[0] == "numba"
    assert kernels.explain_scan(step, x, [states[0].float()])[0] == "eager"


def test_a_sequence_of_one_number_for_each_step() -> None:
    """A step without dimensions takes the dtype of what it meets."""
    x, states = torch.randn(4), [torch.zeros(())]
    wide = torch.tensor(0.1, dtype=torch.float64)
    assert kernels.explain_scan(lambda x, v: (x, v + x), x, states)[0] == "numba"
    assert kernels.explain_scan(lambda x, v: (x * wide, v + x), x, states)[0] == "eager"


@pytest.mark.usefixtures("interpreted")
def test_shape_parameters_that_are_tensors_but_not_learned() -> None:
    spike = surrogate.LeakyKReLU(leak=torch.tensor(0.1), k=torch.tensor(0.5))
    node = neuron.IFNode(step_mode="m", surrogate_function=spike)
    x = torch.tensor([torch.inf, -torch.inf, 1.0, 0.0]).expand(3, 2, 4)
    for got, want in zip(*both(node, x), strict=True):
        torch.testing.assert_close(got, want, equal_nan=True)
