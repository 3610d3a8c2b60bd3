"""The network: the tutorial's single-step loop is the program's multi-step call."""

from typing import TYPE_CHECKING, cast

import pytest
import torch
from torch import Tensor, nn

from bitspike import encoding, functional
from bitspike.examples import lif_fc_mnist
from bitspike.examples.lif_fc_mnist import Options
from bitspike.training import Precision, output_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bitspike.datasets import ImageDataset

CPU = torch.device("cpu")
T, B = 20, 16


@pytest.fixture
def batch(mnist: "tuple[ImageDataset, ImageDataset]") -> tuple[Tensor, Tensor]:
    return mnist[1][:B]


def make_net(options: Options) -> nn.Sequential:
    """With weights in 64ths: currents are exact sums, in whatever order they are added."""
    net = lif_fc_mnist.make_net(options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randint(-5, 7, p.shape, generator=generator) / 64)
    return net


def single_step(net: nn.Module, steps: "Iterator[Tensor]") -> Tensor:
    """The loop of the tutorial: firing rates ``[B, 10]``."""
    functional.set_step_mode(net, "s")
    out_fr = torch.zeros(())
    for spikes in steps:
        out_fr = out_fr + net(spikes)
    return out_fr / T


def gradients(net: nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(net.parameters())))


@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.backend(name)) for name in ("eager", "auto")]
)
def test_the_loop_over_the_same_spikes(batch: tuple[Tensor, Tensor], backend: str) -> None:
    image, label = batch
    net = make_net(Options(T=T))
    spikes = lif_fc_mnist.encoder(image.expand(T, *image.shape))
    assert spikes.shape == (T, B, 1, 28, 28)
    rate = lif_fc_mnist.firing_rate(net, spikes, T)
    assert rate.shape == (B, 10)
    assert len(set(rate.flatten().tolist())) > 5
    loss = lif_fc_mnist.loss_of(rate, label)
    multi = gradients(net, loss)
    functional.reset_net(net)

    rate_s = single_step(net, iter(spikes))
    loss_s = lif_fc_mnist.loss_of(rate_s, label)
    torch.testing.assert_close(rate_s, rate, rtol=0, atol=0)
    torch.testing.assert_close(loss_s, loss, rtol=0, atol=0)
    for one, other in zip(gradients(net, loss_s), multi, strict=True):
        assert float(other.abs().max()) > 1e-3
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_the_loop_with_the_encoder_inside(batch: tuple[Tensor, Tensor]) -> None:
    image, _ = batch
    net = make_net(Options(T=T))
    torch.manual_seed(2)
    rate = lif_fc_mnist.firing_rate(net, image, T)
    functional.reset_net(net)
    encoder = encoding.PoissonEncoder()
    torch.manual_seed(2)
    rate_s = single_step(net, (encoder(image) for _ in range(T)))
    torch.testing.assert_close(rate_s, rate, rtol=0, atol=0)


def test_input_spikes_follow_the_brightness(batch: tuple[Tensor, Tensor]) -> None:
    image = batch[0][:1]
    options = Options(T=400)
    spikes = lif_fc_mnist.respond(lif_fc_mnist.make_net(options), image, options).input_spikes
    assert set(spikes.flatten().tolist()) == {0, 1}
    # Five standard deviations of a mean over 400 steps.
    assert float((spikes.mean(0) - image.flatten()).abs().max()) < 5 * 0.5 / 400**0.5


def test_the_loss_is_the_error_of_the_rates() -> None:
    rate = torch.tensor([[0.5] + [0.0] * 9, [0.0, 1.0] + [0.25] * 8])
    loss = lif_fc_mnist.loss_of(rate, torch.tensor([0, 1]))
    assert float(loss) == pytest.approx((0.5**2 + 8 * 0.25**2) / 20)


def test_mixed_precision_rounds_the_current_only(batch: tuple[Tensor, Tensor]) -> None:
    options = Options(T=T, amp=True)
    net = make_net(options)
    seen: list[torch.dtype] = []
    net[1].register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    with Precision(CPU, amp=True).autocast():
        rate = lif_fc_mnist.firing_rate(net, batch[0], T)
    assert seen == [torch.bfloat16]
    assert rate.dtype == torch.float32
    assert cast("Tensor", output_layer(net).v).dtype == torch.float32
    with torch.no_grad():
        functional.reset_net(net)
        answer = lif_fc_mnist.respond(net, batch[0][:1], options)
    assert (answer.v_seq.dtype, answer.s_seq.dtype) == (torch.float32, torch.float32)


def test_an_answer_leaves_the_network_as_it_was(batch: tuple[Tensor, Tensor]) -> None:
    options = Options(T=T)
    net = make_net(options)
    answer = lif_fc_mnist.respond(net, batch[0][:1], options)
    output = output_layer(net)
    assert output.v_seq is None
    assert not output.store_v_seq
    assert output.v == 0.0
    assert answer.predicted == int(answer.s_seq.sum(0).argmax())
    assert torch.equal(answer.firing_rate[0], answer.s_seq.sum(0) / T)
