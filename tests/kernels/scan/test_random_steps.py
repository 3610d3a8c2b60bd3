"""Random steps of torch's elementwise functions: the kernels against the loop, or a reason.

Whatever a step does, a sequence at once gives what the steps give one by one: outputs, states and
all gradients, for special values as well. What the recorder does not reproduce it refuses.
"""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bitspike import kernels
from bitspike.kernels.scan import reference

SPECIAL = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.0, 3.0, math.inf, -math.inf, math.nan, 1e-41, -7.25,
    40.0,
)  # fmt: skip
ROWS = len(SPECIAL)
pytestmark = pytest.mark.backend("auto")


@torch.no_grad()
def _without_gradient(a: Any) -> Any:
    return torch.exp(a)


EXACT: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "reflected": lambda a, b: 1.5 - a * (2 / b),
    "number over it": lambda a, b: 0.3 / a + 7 / b,
    "neg": lambda a, b: -a + b,
    "pos": lambda a, _: +a,
    "abs": lambda a, _: abs(a),
    "square": lambda a, _: torch.square(a),
    "pow 2": lambda a, _: a**2,
    "pow 3": lambda a, _: torch.pow(a, 3),
    "pow 1": lambda a, _: a**1,
    "pow 0": lambda a, _: a**0,
    "pow -1": lambda a, _: a**-1,
    "reciprocal": lambda a, _: a.reciprocal(),
    "halved": lambda a, _: a / 0.25,
    "divided by a whole number": lambda a, _: a / 3,
    "floor": lambda a, b: torch.floor(a) + b,
    "round": lambda a, b: a.round() + b,
    "sign": lambda a, b: torch.sign(a) * b,
    "relu": lambda a, _: F.relu(a),
    "clamp": lambda a, _: a.clamp(-0.5, 1.5),
    "clamp to one": lambda a, _: torch.clamp(a, 1, 1),
    "clamp min": lambda a, _: torch.clamp(a, min=0.5),
    "clamp_min": lambda a, _: a.clamp_min(1),
    "clamp_max": lambda a, _: torch.clamp_max(a, max=-1.0),
    "clip": lambda a, _: torch.clip(a, -2, 2.5),
    "maximum": lambda a, b: torch.maximum(a, b),
    "minimum": lambda a, b: torch.minimum(b, a),
    "where": lambda a, b: torch.where(a > b, a, 0.25),
    "where as a method": lambda a, b: a.where(a <= 0.5, b),
    "where with whole numbers": lambda a, b: torch.where(b >= 1, 2, a),
    "comparisons": lambda a, b: (a == b) * 1.5 + (a != b) * b + (a < 0.1) * a,
    "truths": lambda a, b: torch.where((a > 0) & ~(b > 0) | (a == 1), a, b),
    "truths compared": lambda a, b: torch.where((a > 0) == (b > 0), a, b),
    "truths of numbers": lambda a, b: torch.where(torch.logical_and(a, b), a, 2 * b),
    "not": lambda a, b: torch.where(torch.logical_not(a), b, a),
    "truth and number": lambda a, b: (a > 0.5) + b,
    "truth to number": lambda a, b: (a > 0.5).to(b) - b * (b > 0.5).type_as(a),
    "bool": lambda a, b: torch.where(a.bool(), b, a),
    "float": lambda a, b: (a.float() >= 0).float() * b,
    "to its own": lambda a, b: a.to(a.dtype).to(torch.float32) * b,
    "detach": lambda a, b: a.detach() * b,
    "ones": lambda a, b: torch.ones_like(a) * 0.1 * b + torch.zeros_like(b),
    "clone": lambda a, _: a.clone().contiguous() * a,
    "heaviside": lambda a, b: (a >= 0).to(a) * b,
}
ROUNDED: dict[str, Callable[..., Any]] = {
    "sqrt": lambda a, _: a.sqrt(),
    "pow .5": lambda a, _: a**0.5,
    "pow -2": lambda a, _: a**-2.0,
    "rsqrt": lambda a, _: torch.rsqrt(a),
    "exp": lambda a, _: torch.exp(a),
    "log": lambda a, _: a.log(),
    "sin": lambda a, _: torch.sin(a),
    "cos": lambda a, _: torch.cos(a),
    "tanh": lambda a, _: torch.tanh(a),
    "sigmoid": lambda a, _: a.sigmoid(),
    "atan": lambda a, _: torch.atan(a),
    "erf": lambda a, _: torch.erf(a),
    "erfc": lambda a, _: torch.erfc(a),
    "pow": lambda a, b: torch.pow(a, b),
    "pow 2.5": lambda a, _: a**2.5,
    "pow 4": lambda a, _: a**4,
    "pow of 2": lambda a, _: 2**a,
    "pow of .5": lambda a, _: torch.pow(0.5, a),
}
REFUSED: dict[str, Any] = {
    "whole numbers": lambda a, _: a.clamp(0, 4).to(torch.int32).float(),
    "half precision": lambda a, _: a.to(torch.bfloat16).float(),
    "half": lambda a, _: a.half().float(),
    "double": lambda a, _: a.double().float(),
    "long": lambda a, b: a.long() * b,
    "type": lambda a, _: a.type(torch.float16).to(a),
    "to of a keyword": lambda a, b: a.to(dtype=torch.float16).type_as(b),
    "two truths": lambda a, _: (a > 0.5) + (a > 1.5),
    "product of truths": lambda a, b: (a > 0.5) * (b > 1.5) * a,
    "difference of truths": lambda a, b: (a > 0.5) - b,
    "one minus a truth": lambda a, _: 1 - (a > 0.5),
    "minus a truth": lambda a, b: -(a > 0.5) * b,
    "truth and whole number": lambda a, b: ((a > 0.5) + 1) / b,
    "choice of whole numbers": lambda a, b: torch.where(a > 0.5, 1, 0) / 2 * b,
    "choice of truths": lambda a, b: torch.where(a > 0.5, a > 1, b > 1) * a,
    "a truth": lambda a, _: a > 0.5,
    "absolute of a truth": lambda a, b: abs(a > 0.5) * b,
    "sign of a truth": lambda a, b: torch.sign(a > 0.5) * b,
    "zeros like a truth": lambda a, b: torch.zeros_like(a > 0) + b,
    "ones of a dtype": lambda a, b: torch.ones_like(a, dtype=torch.float64) * b,
    "bits of numbers": lambda a, b: torch.where(a & b, a, b),
    "inverted number": lambda a, _: ~a,
    "where on a number": lambda a, b: torch.where(a, a, b),
    "truth of a number": lambda a, b: a.logical_and(1) * b,
    "alpha": lambda a, b: torch.add(a, b, alpha=0.1),
    "alpha of a difference": lambda a, b: a.sub(b, alpha=3),
    "rounding mode": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "truncated": lambda a, b: a.div(b, rounding_mode="trunc"),
    "floor division": lambda a, _: a // 2,
    "remainder": lambda a, _: a % 2,
    "decimals": lambda a, _: torch.round(a, decimals=1),
    "out": lambda a, b: torch.add(a, b, out=torch.empty_like(a)),
    "in place": lambda a, b: F.relu(a, inplace=True) + b,
    "add_": lambda a, b: a.add_(b),
    "clamp to tensors": lambda a, b: torch.clamp(a, min=b),
    "clamp to NaN": lambda a, _: a.clamp(math.nan, 1.0),
    "clamp to nothing": lambda a, _: a.clamp(),
    "clamp in the wrong order": lambda a, _: a.clamp(2, 1),
    "heaviside": lambda a, b: torch.heaviside(a, b),
    "complex": lambda a, _: a * 1j,
    "too large": lambda a, _: a * 1e300,
    "a large whole number": lambda a, _: a * (2**60 + 1),
    "Python's exp": lambda a, _: math.exp(a),
    "Python's floor": lambda a, b: math.floor(a) * b,
    "Python's max": lambda a, b: max(a, b),
    "Python's round": lambda a, _: round(a),
    "shape": lambda a, _: a * a.shape[0],
    "length": lambda a, _: a * len(a),
    "element": lambda a, _: a + a[0],
    "numel": lambda a, _: a / a.numel(),
    "kind": lambda a, _: 2 * a if isinstance(a, Tensor) else a,
    "type of": lambda a, b: a if type(a) is Tensor else b,
    "grad mode": lambda a, b: a if torch.is_grad_enabled() and a.requires_grad else b,
    "stack": lambda a, b: torch.stack([a, b]).amax(0),
    "power of -.5": lambda a, _: a**-0.5,
    "keywords": lambda a, b: torch.lerp(input=a, end=b, weight=0.5),
    "memory format": lambda a, b: a.clone(memory_format=torch.preserve_format) * b,
    "device": lambda a, _: a.to("meta"),
    "swallowed": lambda a, _: _swallow(a),
    "an integer tensor": lambda a, _: a * torch.tensor(2),
    "a tensor of truths": lambda a, b: torch.where(torch.tensor(True), a, b),
    "a wider tensor": lambda a, _: a * torch.ones(3, 1, 1),
    "a tensor of float64": lambda a, _: a * torch.ones(1, dtype=torch.float64),
    "random": lambda a, _: a * random.random(),  # noqa: S311
    "torch's random": lambda a, _: a * torch.rand(()),
    "dropout": lambda a, _: F.dropout(a),
    "no gradient": lambda a, b: _without_gradient(a) * b,
}  # fmt: skip
"""What is refused, or would have to be."""


def _swallow(a: Any) -> Any:
    try:
        return a.to(torch.float16).to(torch.float32)
    except TypeError:
        return 2 * a


def step_of(parts: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """A step with a state for each of the functions, of the input and of that state."""

    def step(x: Any, *states: Any) -> tuple[Any, ...]:
        values = [part(x, v) for part, v in zip(parts, states, strict=True)]
        return (x * 1.0, *values)

    return step


def given(
    parts: int, T: int = 1, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, list[Tensor]]:
    """Every special value with every other, and ordinary ones."""
    special = torch.tensor(SPECIAL, dtype=dtype)
    generator = torch.Generator().manual_seed(1)

    def ordinary() -> Tensor:
        return 1.5 * torch.randn(ROWS, ROWS, generator=generator, dtype=dtype)

    x = torch.stack([torch.cat([special.expand(ROWS, ROWS), ordinary()]) for _ in range(T)])
    state = special[:, None].expand(ROWS, ROWS)
    return x, [torch.cat([state, ordinary()]) for _ in range(parts)]


def outputs_of(step: Callable[..., Any], inputs: Sequence[Tensor], backend: str) -> list[Tensor]:
    """Outputs, the first state of all steps, and the last states, for input and states."""
    if backend == "eager":
        y, last, v_seq = reference.scan(step, inputs[0], inputs[1:], True)
    else:
        y, last, v_seq = kernels.scan(step, inputs[0], inputs[1:], True, backend, bits=False)
    assert v_seq is not None
    return [y, v_seq, *last]


def run(
    step: Callable[..., Any], x: Tensor, states: Sequence[Tensor], backend: str
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs with the states of all steps, and the gradients of each state's own sum."""
    inputs = [one.clone().requires_grad_() for one in (x, *states)]
    y, v_seq, *last = outputs_of(step, inputs, backend)
    weights = [1 + torch.arange(one.numel()).view(one.shape) % 3 for one in last]
    parts = [(one * weight).sum() for one, weight in zip(last, weights, strict=True)]
    total = torch.stack(parts).sum()
    gradients = torch.autograd.grad(total, inputs, materialize_grads=True)
    return [y, v_seq, *last], list(gradients)


def assert_same(got: Tensor, want: Tensor, exact: bool, what: str) -> None:
    __tracebackhide__ = True
    if exact:
        same = (got == want) | (got.isnan() & want.isnan())
    else:
        same = torch.isclose(got, want, rtol=2e-5, atol=1e-6, equal_nan=True)
    assert same.all(), f"{what}: {got[~same][:5].tolist()} in place of {want[~same][:5].tolist()}"


def compare(parts: dict[str, Callable[..., Any]], exact: bool, backend: str = "numba") -> None:
    """Every part of a step, as the kernel and as the loop compute it."""
    step = step_of([*parts.values()])
    x, states = given(len(parts))
    assert kernels.explain_scan(step, x, states, backend) == (backend, None)
    found, expected = (run(step, x, states, which) for which in (backend, "eager"))
    for name, got, want in zip(("y", "v_seq", *parts), found[0], expected[0], strict=True):
        assert_same(got, want, exact, name)
    for name, got, want in zip(("x", *parts), found[1], expected[1], strict=True):
        assert_same(got, want, False, f"gradient of {name}")


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", [*EXACT, *ROUNDED])
def test_each_function_on_special_values(name: str) -> None:
    compare({name: {**EXACT, **ROUNDED}[name]}, name in EXACT)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_reproduced_is_refused(name: str) -> None:
    step = step_of([REFUSED[name]])
    x, states = given(1)
    chosen, why = kernels.explain_scan(step, x, states)
    assert chosen == "eager", name
    assert why is not None
    assert why.startswith("the neuron's step cannot be")
    with pytest.raises(kernels.BackendError, match="cannot run: the neuron's step cannot be"):
        kernels.scan(step, x, states, backend="numba")


SIGN_OF_ZERO = ("maximum", "minimum")
"""Of 0 and -0 torch takes the first or the second, by where they lie in memory."""


class RandomStep:
    """A step that a seed has drawn: functions of the tables, of each other and of parameters.

    Args:
        seed: draws it.
        arithmetic: whether only functions are drawn that are the same to the bit everywhere.
    """

    def __init__(self, seed: int, arithmetic: bool) -> None:
        self.draw = random.Random(seed)  # noqa: S311
        generator = torch.Generator().manual_seed(seed)
        dtype = torch.float32 if arithmetic else torch.float64  # against errors that grow
        self.learned = torch.rand((), generator=generator, dtype=dtype).requires_grad_()
        self.field = torch.rand(ROWS, generator=generator, dtype=dtype).requires_grad_()
        table = EXACT if arithmetic else {**EXACT, **ROUNDED}
        names = [name for name in table if name not in SIGN_OF_ZERO or not arithmetic]
        self.names = [self.draw.choice(names) for _ in range(5)]
        self.parts = [table[name] for name in self.names]
        self.order = [self.draw.sample(range(4), 2) for _ in self.parts]
        self.scales = [self.draw.choice([0.5, 1, -0.75, 2]) for _ in self.parts]

    def __call__(self, x: Any, v: Any, w: Any) -> tuple[Any, ...]:
        values = [x, 0.5 * v, w * self.learned, x - self.field]
        for part, (i, j), scale in zip(self.parts, self.order, self.scales, strict=True):
            values[i] = part(values[i], values[j]) * scale
        y, v, w, rest = values
        return y + rest, v, w


def results_of(step: RandomStep, x: Tensor, states: list[Tensor], backend: str) -> list[Tensor]:
    """Outputs, last states, and the gradients of everything, for a loss on everything."""
    inputs = [one.clone().requires_grad_() for one in (x, *states)]
    outputs = outputs_of(step, inputs, backend)
    parts = [(out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum() for out in outputs]
    loss = torch.stack(parts).sum()
    wanted = [*inputs, step.learned, step.field]
    gradients = torch.autograd.grad(loss, wanted, materialize_grads=True)
    return [one.detach() for one in (*outputs, *gradients)]


def check_random_step(seed: int, special: bool, backend: str = "numba") -> bool:
    """Whether the step of a seed was compiled; if so, it has been compared."""
    step = RandomStep(seed, special)
    x, states = given(2, T=3, dtype=step.field.dtype)
    if not special:
        x, states = x[:, ROWS:], [state[ROWS:] for state in states]
    chosen, why = kernels.explain_scan(step, x, states)
    if chosen == "eager":
        assert why is not None
        assert why.startswith("the neuron's step cannot be")
        return False
    found, expected = (results_of(step, x, states, which) for which in (backend, "eager"))
    names = ("y", "v_seq", "v", "w", "x'", "v'", "w'", "learned'", "field'")
    for k, (name, got, want) in enumerate(zip(names, found, expected, strict=True)):
        if special and k >= 4:
            break  # zero gradients times infinite derivatives: torch leaves some out
        if k >= 4:  # what is infinite depends on the order of factors, and zeros times that
            usual = want.isfinite()
            got, want = got[usual], want[usual]
        scale = 1 if special or not len(want) else max(1.0, float(want.abs().max()))
        assert_same(got / scale, want / scale, special, f"seed {seed}, {step.names}: {name}")
    return True


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("special", [True, False])
def test_random_steps(special: bool) -> None:
    compiled = [check_random_step(seed, special) for seed in range(60)]
    assert sum(compiled) > 30


@pytest.mark.parametrize("seed", [3, 8])
def test_random_steps_compiled(seed: int) -> None:
    assert check_random_step(seed, True)


def test_truths_that_backward_keeps() -> None:
    """They are stored as numbers, and read as truths."""
    parts = {
        "where": lambda a, b: torch.where((a > 0) & (b > 0), b, a),
        "twice": lambda a, b: torch.where(~(a > b), torch.where((a > b) | (a == 0), b, a), a),
    }
    compare(parts, True)
