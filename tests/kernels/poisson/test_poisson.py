"""Poisson encoding into bits: statistics, and what the spikes depend on."""

import math

import numpy as np
import pytest
import torch

from bitspike import encoding
from bitspike.kernels.poisson.numba import encode_constant
from bitspike.spikes import ActivePixels, SpikeTensor

T_ALL = [1, 3, 4, 5, 63, 64, 65, 100, 130, 1000]


def dense(pixels: ActivePixels) -> torch.Tensor:
    return SpikeTensor(pixels).dense()


@pytest.mark.parametrize("T", T_ALL)
@pytest.mark.parametrize("features", [(1,), (5,), (1, 6, 7)])
def test_zero_never_fires_and_one_always_does(T: int, features: tuple[int, ...]) -> None:
    x = torch.rand(4, *features) * (torch.rand(4, *features) < 0.5)
    x[0], x[1] = 0, 1
    spikes = dense(encode_constant(x, T, seed=7))
    assert spikes.shape == (T, 4, *features)
    assert not spikes[:, 0].any()
    assert spikes[:, 1].all()
    assert not spikes[:, x == 0].any()


def test_8_bit_intensities_are_exact() -> None:
    """Chi-square over all 254 intensities that are neither sure nor impossible."""
    p = torch.arange(256) / torch.tensor(255.0)
    steps, images = 1000, 200
    counts = dense(encode_constant(p.expand(images, 256).contiguous(), steps, seed=1)).sum((0, 1))
    n = steps * images
    expected = torch.arange(256, dtype=torch.float64) / 255
    z = (counts.double() - n * expected) / (n * expected * (1 - expected)).sqrt()
    chi_square = float((z[1:255] ** 2).sum())
    assert abs(chi_square - 254) < 5 * math.sqrt(2 * 254)
    assert float(z[1:255].abs().max()) < 5


@pytest.mark.parametrize("p", [1e-4, 0.001, 0.1, 1 / 3, 0.7071, 0.9999])
def test_any_probability(p: float) -> None:
    steps, images, pixels = 1000, 40, 50
    x = torch.full((images, pixels), p)
    n = steps * images * pixels
    count = float(dense(encode_constant(x, steps, seed=3)).sum())
    assert abs(count - n * p) < 5 * math.sqrt(n * p * (1 - p))


def test_no_correlation_over_time_pixels_and_samples() -> None:
    s = dense(encode_constant(torch.full((32, 40), 0.5), 256, seed=5)).numpy() - 0.5
    bound = 5 * 0.25
    for lag in (1, 2, 4, 16, 64):
        assert abs((s[lag:] * s[:-lag]).sum()) < bound * math.sqrt(s[lag:].size)
    for lag in (1, 2, 3, 4, 8):
        assert abs((s[..., lag:] * s[..., :-lag]).sum()) < bound * math.sqrt(s[..., lag:].size)
        assert abs((s[:, lag:] * s[:, :-lag]).sum()) < bound * math.sqrt(s[:, lag:].size)


def test_a_batch_cut_in_two_gives_the_same_spikes() -> None:
    x = torch.rand(10, 33)
    whole = dense(encode_constant(x, 70, seed=11))
    parts = [
        dense(encode_constant(x[:4], 70, seed=11)),
        dense(encode_constant(x[4:], 70, seed=11, first_sample=4)),
    ]
    assert torch.equal(whole, torch.cat(parts, 1))


def test_a_pixel_does_not_depend_on_the_others_nor_on_the_number_of_steps() -> None:
    x = torch.rand(3, 50) * (torch.rand(3, 50) < 0.7)
    whole = dense(encode_constant(x, 130, seed=11))
    for pixel in (0, 17, 49):
        alone = torch.zeros_like(x)
        alone[:, pixel] = x[:, pixel]
        spikes = dense(encode_constant(alone, 70, seed=11))
        assert torch.equal(spikes[..., pixel], whole[:70, :, pixel])


def test_the_number_of_threads_changes_nothing() -> None:
    x = torch.rand(9, 50)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(dense(encode_constant(x, 100, seed=13)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


def test_seeds_and_samples_differ() -> None:
    x = torch.full((2, 64), 0.5)
    a, b = (dense(encode_constant(x, 64, seed)) for seed in (1, 2))
    assert not torch.equal(a, b)
    assert not torch.equal(a[:, 0], a[:, 1])


@pytest.mark.backend("numba")
class TestEncoder:
    def test_an_image_held_over_time_becomes_bits(self) -> None:
        encoder = encoding.PoissonEncoder(step_mode="m")
        x = torch.rand(3, 1, 5, 5)
        spikes = encoder(x.expand(20, *x.shape))
        assert isinstance(spikes, SpikeTensor)
        assert isinstance(spikes.bits, ActivePixels)
        assert spikes.shape == (20, 3, 1, 5, 5)

    def test_a_changing_sequence_becomes_bits_too(self) -> None:
        encoder = encoding.PoissonEncoder(step_mode="m")
        x = torch.rand(50, 3, 40)
        spikes = encoder(x)
        assert isinstance(spikes, SpikeTensor)
        assert abs(spikes.rate() - float(x.mean())) < 5 * 0.5 / math.sqrt(x.numel())

    @pytest.mark.parametrize("p", [1e-4, 2 / 255, 0.25, 0.7071, 254 / 255])
    @pytest.mark.parametrize("step_mode", ["s", "m"])
    def test_single_steps_and_changing_sequences_fire_as_often_as_asked(
        self, p: float, step_mode: str
    ) -> None:
        x = torch.full((200, 30, 50), p)
        x[:, :, 0], x[:, :, 1] = 0, 1
        spikes = torch.as_tensor(encoding.PoissonEncoder(step_mode)(x))
        spikes = spikes.dense() if isinstance(spikes, SpikeTensor) else spikes
        assert not spikes[:, :, 0].any()
        assert spikes[:, :, 1].all()
        drawn = spikes[:, :, 2:]
        n = drawn.numel()
        assert abs(float(drawn.sum()) - n * p) < 5 * math.sqrt(n * p * (1 - p))
        for axis in range(3):  # neighbours do not fire together more often than by chance
            first, second = (drawn.narrow(axis, at, drawn.shape[axis] - 1) - p for at in range(2))
            assert abs(float((first * second).sum())) < 5 * p * (1 - p) * math.sqrt(n) + 1

    @pytest.mark.parametrize("shape", [(), (7,), (3, 1, 5, 6), (0, 4)])
    def test_a_single_step_gives_a_dense_tensor(self, shape: tuple[int, ...]) -> None:
        spikes = encoding.PoissonEncoder()(
            torch.ones(shape).transpose(0, -1) if shape else torch.ones(())
        )
        assert type(spikes) is torch.Tensor
        assert spikes.shape == (shape if len(shape) < 2 else (shape[-1], *shape[1:-1], shape[0]))
        assert spikes.all()

    @pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
    def test_a_single_step_refuses_what_is_no_probability(self, wrong: float) -> None:
        x = torch.rand(4, 9)
        x[2, 3] = wrong
        with pytest.raises(ValueError, match="firing probabilities"):
            encoding.PoissonEncoder()(x)

    def test_single_steps_draw_anew_and_the_seed_governs_them(self) -> None:
        x, results = torch.full((3, 40), 0.5), []
        for seed in (5, 5, 6):
            torch.manual_seed(seed)
            results.append([encoding.PoissonEncoder()(x) for _ in range(2)])
        assert not torch.equal(*results[0])
        assert torch.equal(results[0][1], results[1][1])
        assert not torch.equal(results[0][0], results[2][0])

    def test_a_step_does_not_depend_on_the_size_of_the_batch(self) -> None:
        x, parts = torch.rand(20, 5, 7), []
        for size in (5, 3):
            torch.manual_seed(1)
            parts.append(encoding.PoissonEncoder("m")(x[:, :size]).dense())
        assert torch.equal(parts[0][:, :3], parts[1])

    def test_manual_seed_governs_it(self) -> None:
        encoder = encoding.PoissonEncoder(step_mode="m")
        x = torch.rand(3, 40).expand(20, 3, 40)
        results = []
        for seed in (5, 5, 6):
            torch.manual_seed(seed)
            results.append(encoder(x).dense())
        assert torch.equal(results[0], results[1])
        assert not torch.equal(results[0], results[2])

    def test_a_generator_of_its_own_leaves_the_global_one_alone(self) -> None:
        before = torch.get_rng_state()
        encoder = encoding.PoissonEncoder("m", torch.Generator().manual_seed(1))
        encoder(torch.rand(3, 40, generator=encoder.generator).expand(20, 3, 40))
        assert torch.equal(before, torch.get_rng_state())

    def test_single_steps_are_dense(self) -> None:
        assert not isinstance(encoding.PoissonEncoder()(torch.rand(3, 4)), SpikeTensor)


def test_listed_pixels_are_those_that_can_fire() -> None:
    x = torch.tensor([[0.0, 0.5, 0.0, 1.0, 0.0]])
    pixels = encode_constant(x, 4, seed=1)
    assert int(pixels.count) == 2
    assert pixels.index[0, :4].tolist() == [1, 3, 5, 5]  # filled up with I
    assert pixels.units.numpy().view(np.uint16)[0, 0, 0] & 0xCCCC == 0  # lanes of no pixel
