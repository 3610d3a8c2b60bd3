"""`PoissonEncoder`: its statistics, its source of randomness, and what it refuses."""

import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from bitspike import functional
from bitspike.encoding import PoissonEncoder, StatelessEncoder

SIGMAS = 5.5  # the seed is fixed; with another one, one draw in 25 million lies further away


def encode(x: Tensor, seed: int = 0, **options: Any) -> Tensor:
    spikes: Tensor = PoissonEncoder(generator=torch.Generator().manual_seed(seed), **options)(x)
    return spikes


def assert_rate(count: float, n: int, p: float) -> None:
    """``count`` successes of ``n`` trials are compatible with the probability ``p``."""
    assert abs(count - n * p) <= SIGMAS * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("p", [0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_rate(p: float) -> None:
    n = 200_000
    spikes = encode(torch.full((n,), p))
    assert set(spikes.tolist()) == {0.0, 1.0}
    assert_rate(spikes.sum().item(), n, p)
    with pytest.raises(AssertionError):
        assert_rate(spikes.sum().item(), n, p + 0.01 if p < 0.9 else p - 0.01)


def test_steps_and_elements_are_independent() -> None:
    n, p = 100_000, 0.3
    spikes = encode(torch.full((2, n), p))
    assert_rate((spikes[0] * spikes[1]).sum().item(), n, p * p)
    assert_rate((spikes[0, :-1] * spikes[0, 1:]).sum().item(), n - 1, p * p)


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.uint8,
        torch.int64,
        torch.bool,
    ],
    ids=str,
)
def test_zero_never_fires_and_one_always_does(dtype: torch.dtype) -> None:
    x = torch.tensor([0, 1]).to(dtype).expand(50_000, 2)
    spikes = encode(x)
    assert spikes.dtype is (dtype if dtype.is_floating_point else torch.float32)
    assert spikes.sum(0, dtype=torch.float64).tolist() == [0, 50_000]


@pytest.mark.parametrize("rand", [0.0, 0.5, 1 - 2**-24])
def test_the_comparison_is_strict(rand: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, rand))
    x = torch.tensor([0.0, 0.5, math.nextafter(0.5, 1), 1.0], dtype=torch.float64)
    assert encode(x).tolist() == [0.0, rand < 0.5, rand <= 0.5, 1.0]


def test_integers_give_the_default_dtype() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert encode(torch.tensor([0, 1])).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_dtypes_see_the_same_randomness(dtype: torch.dtype) -> None:
    x = torch.full((1000,), 0.375)  # exact in all of them
    assert torch.equal(encode(x.to(dtype)), encode(x).to(dtype))


def test_half_precision_does_not_bias_small_probabilities() -> None:
    n, p = 400_000, 2**-10
    assert_rate(encode(torch.full((n,), p, dtype=torch.bfloat16)).sum().item(), n, p)


def test_generator_reproduces() -> None:
    x = torch.full((4, 100), 0.5)
    encoder = PoissonEncoder(generator=torch.Generator().manual_seed(1))
    first, second = encoder(x), encoder(x)
    assert not torch.equal(first, second)
    assert torch.equal(first, encode(x, seed=1))
    assert not torch.equal(first, encode(x, seed=2))


def test_generator_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    encode(torch.full((10,), 0.5))
    assert torch.equal(torch.get_rng_state(), before)


def test_manual_seed_governs_without_generator() -> None:
    x, encoder = torch.full((100,), 0.5), PoissonEncoder()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        first = encoder(x)
        torch.manual_seed(7)
        assert torch.equal(encoder(x), first)
        torch.manual_seed(8)
        assert not torch.equal(encoder(x), first)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 3, 4, 5)])
@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_shape_is_kept_in_both_modes(shape: tuple[int, ...], step_mode: str) -> None:
    x = torch.rand(shape)
    spikes = encode(x, step_mode=step_mode)
    assert spikes.shape == shape
    assert torch.equal(spikes, encode(x))


def test_no_gradient_flows() -> None:
    assert not encode(torch.full((3,), 0.5, requires_grad=True)).requires_grad


def test_held_image_is_drawn_anew_at_each_step() -> None:
    image = torch.full((100,), 0.5)
    spikes = encode(image.expand(8, 100))
    assert len({tuple(step.tolist()) for step in spikes}) == 8
    assert torch.equal(spikes, encode(image.repeat(8, 1)))


@pytest.mark.parametrize(
    ("shape", "expanded", "elements"),
    [
        ((3, 4), (100, 3, 4), 12),
        ((1, 4), (100, 3, 4), 4),
        ((100, 3, 4), (100, 3, 4), 1200),
        ((3, 4), (3, 4), 12),
    ],
)
def test_the_check_looks_at_a_held_image_once(
    shape: tuple[int, ...], expanded: tuple[int, ...], elements: int
) -> None:
    looked_at = []

    class Looks(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is Tensor.aminmax:
                looked_at.append(args[0].numel())
            return func(*args, **(kwargs or {}))

    with Looks():
        encode(torch.rand(shape, dtype=torch.float64).expand(expanded))
    assert looked_at == [elements]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bad", [-0.5, 1.5, float("nan")])
def test_one_bad_value_among_many_is_found(dtype: torch.dtype, bad: float) -> None:
    x = torch.rand(50, 3).to(dtype)
    x[17, 1] = bad
    with pytest.raises(ValueError, match="must lie in"):
        encode(x)


@pytest.mark.parametrize(
    ("bad", "low", "high"),
    [
        (-0.1, "-0.1", "0.5"),
        (1.1, "0.5", "1.1"),
        (255.0, "0.5", "255"),
        (math.nan, "nan", "nan"),
        (math.inf, "0.5", "inf"),
    ],
)
@pytest.mark.parametrize("steps", [1, 5])
def test_values_that_are_no_probabilities(bad: float, low: str, high: str, steps: int) -> None:
    x = torch.tensor([0.5, bad]).expand(steps, 2)
    message = (
        rf"PoissonEncoder: .* firing probabilities .* in \[0, 1\].* range from {low} to {high} "
        rf"\(shape \({steps}, 2\)\).*x / 255"
    )
    with pytest.raises(ValueError, match=message):
        encode(x)


def test_other_kinds_of_numbers() -> None:
    with pytest.raises(ValueError, match="255"):
        encode(torch.tensor([0, 255], dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"must be real, but is torch\.complex64"):
        encode(torch.zeros(2, dtype=torch.complex64))


def test_encoder_is_a_module_without_state() -> None:
    encoder = PoissonEncoder(step_mode="m")
    assert isinstance(encoder, StatelessEncoder)
    assert not encoder.state_dict()
    assert repr(encoder) == "PoissonEncoder(step_mode='m')"
    functional.reset_net(encoder)
    functional.set_step_mode(encoder, "s")
    assert encoder.step_mode == "s"
    with pytest.raises(ValueError, match="PoissonEncoder: step_mode must be 's' or 'm'"):
        PoissonEncoder(step_mode="x")


def test_pickled_encoder_goes_on_where_it_was() -> None:
    x = torch.full((100,), 0.5)
    encoder = PoissonEncoder(generator=torch.Generator().manual_seed(1))
    encoder(x)
    again = pickle.loads(pickle.dumps(encoder))  # noqa: S301
    assert torch.equal(again(x), encoder(x))
