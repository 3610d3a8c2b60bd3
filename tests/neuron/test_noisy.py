"""Coloured noise and the neurons that take it."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bitspike.neuron import (
    NoisyBaseNode,
    NoisyCUBALIFNode,
    NoisyILCCUBALIFNode,
    NoisyNonSpikingIFNode,
    powerlaw_psd_gaussian,
)

T, B, N = 4, 3, 6


@pytest.mark.parametrize("exponent", [0, 1, 2])
@pytest.mark.parametrize("length", [64, 65])
def test_spectrum_and_size(exponent: int, length: int) -> None:
    noise = powerlaw_psd_gaussian(exponent, (4000, length), random_state=1)
    assert noise.shape == (4000, length)
    around = noise - noise.mean(-1, keepdims=True)  # the constant part does not count
    assert around.std() == pytest.approx(1.0, rel=0.03)
    assert abs(noise.mean(0)).max() < 0.1
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(0)
    assert power[2] / power[8] == pytest.approx(4.0**exponent, rel=0.15)


def test_the_spectrum_is_flat_below_fmin() -> None:
    noise = powerlaw_psd_gaussian(2, (4000, 64), fmin=0.125, random_state=1)
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(0)
    assert power[2] / power[8] == pytest.approx(1.0, rel=0.15)
    assert power[8] / power[16] == pytest.approx(4.0, rel=0.15)


def test_torch_governs_the_noise() -> None:
    torch.manual_seed(3)
    first, second = powerlaw_psd_gaussian(1, 8), powerlaw_psd_gaussian(1, 8)
    assert not np.array_equal(first, second)
    torch.manual_seed(3)
    assert np.array_equal(powerlaw_psd_gaussian(1, 8), first)
    own = [powerlaw_psd_gaussian(1, 8, random_state=torch.Generator()) for _ in range(2)]
    assert np.array_equal(own[0], own[1])
    assert np.array_equal(
        powerlaw_psd_gaussian(1, [8], random_state=5),
        powerlaw_psd_gaussian(1, 8, random_state=np.random.default_rng(5)),
    )


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"size": 1}, ValueError, "2 or more time steps"),
        ({"size": []}, ValueError, "2 or more time steps"),
        ({"size": 8, "fmin": 0.6}, ValueError, r"fmin must be in \[0, 0.5\]"),
        ({"size": 8.0}, TypeError, "size must be an integer or several"),
        ({"size": 8, "random_state": "1"}, TypeError, "random_state must be None"),
    ],
)
def test_bad_arguments_of_the_noise(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        powerlaw_psd_gaussian(1, **arguments)


def spiking(**options: Any) -> list[NoisyBaseNode]:
    return [NoisyCUBALIFNode(N, T=T, **options), NoisyILCCUBALIFNode(2, 3, T=T, **options)]


def test_by_hand() -> None:
    node = NoisyCUBALIFNode(1, c_decay=0.5, v_decay=0.5, T=2, sigma_init=2, v_threshold=1)
    node.reset_noise(1)
    node.load_colored_noise(torch.tensor([[[0.25, 0.5], [-0.5, 0.125]]]))
    y = node(torch.tensor([[[1.0]], [[0.25]]]))
    # c = 1.5 and 1.5 / 2 - 0.75 = 0; h = 1.5 spikes, then 0
    assert y.flatten().tolist() == [2.0, 0.25]
    node.is_training = False
    assert node(torch.tensor([[[1.0]], [[0.25]]])).flatten().tolist() == [1, 0]
    assert node.c.item() == 0.75


@pytest.mark.parametrize("index", [0, 1])
def test_noise_is_replayed(index: int) -> None:
    node = spiking()[index]
    node.reset_noise(3)
    x = torch.rand(T, B, N)
    outputs, noises = [], []
    for _ in range(3):
        outputs.append(node(x))
        noises.append(node.get_colored_noise())
        assert noises[-1].shape == (T, 2 * N)
    assert not torch.equal(outputs[0], outputs[1])
    node.load_colored_noise(torch.stack([noises[1]] * B))
    torch.testing.assert_close(node(x), outputs[1])
    node.cancel_load()
    with pytest.raises(RuntimeError, match=r"noise for 3 calls, and this is call 4.*reset_noise"):
        node(x)
    node.reset_noise(1)
    node(x)
    with pytest.raises(RuntimeError, match="noise for 1 calls"):
        node(x)
    copy.deepcopy(node)


def test_noise_is_reproducible_and_of_the_right_size() -> None:
    noises = []
    for _ in range(2):
        torch.manual_seed(7)
        node = NoisyCUBALIFNode(100, T=10, beta=1)
        node.reset_noise(20)
        noises.append(node.eps_v_seq)
    assert torch.equal(*noises)
    assert noises[0].shape == (20, 10, 100)
    assert noises[0].std().item() == pytest.approx(1.0, rel=0.05)
    assert not torch.equal(node.eps_v_seq, node.eps_s_seq)
    assert node.sigma_v == node.sigma_s == pytest.approx(0.05)


def test_a_call_without_noise_says_what_to_do() -> None:
    for node in (*spiking(), NoisyNonSpikingIFNode(N, T=T)):
        with pytest.raises(RuntimeError, match=r"noise for 0 calls.*reset_noise\(num_rl_step\)"):
            node(torch.zeros(T, B, N))
        node.is_training = False
        node(torch.zeros(T, B, N))


def test_non_spiking_noise_size_is_learned() -> None:
    node = NoisyNonSpikingIFNode(N, T=T, sigma_init=0.5, decode="last-me")
    assert node.sigma.tolist() == pytest.approx([0.5 / math.sqrt(N)] * N)
    node.reset_noise(1)
    x = torch.rand(T, B, N)
    y = node(x)
    assert isinstance(y, Tensor)
    noise = node.get_colored_noise()
    torch.testing.assert_close(y, x.sum(0) + node.sigma * noise.sum(0))
    (grad,) = torch.autograd.grad(y.sum(), node.sigma)
    torch.testing.assert_close(grad, B * noise.sum(0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda n: n(torch.zeros(T + 1, B, N)), ValueError, "T = 4, but got shape"),
        (lambda n: n(torch.zeros(T, B, N + 1)), ValueError, r"must be \[T, B, 6\]"),
        (lambda n: n.load_colored_noise(torch.zeros(B, T, N)), ValueError, r"\[B, 4, 12\]"),
        (lambda n: n.reset_noise(0), ValueError, "num_rl_step must be 1 or more"),
        (lambda _: NoisyCUBALIFNode(0), ValueError, "num_node must be 1 or more"),
        (lambda _: NoisyCUBALIFNode(1, sigma_init="1"), TypeError, "sigma_init must be a number"),  # type: ignore[arg-type]
        (lambda _: NoisyILCCUBALIFNode(1, 0), ValueError, "dec_pop_dim must be 1 or more"),
    ],
)
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(spiking()[0])
