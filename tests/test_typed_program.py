"""A user's program in types: `make lint` runs ``mypy --strict`` on it, pytest runs the program.

Each ``type: ignore`` stands where mypy has to complain. In strict mode an ignore without complaint
is an error, so that a signature that loses its types fails the lint.
"""

from typing import assert_type

import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike import encoding, functional, layer, models, neuron, rnn, surrogate
from bitspike.diagnosis import Health


class Net(nn.Module):
    """Most kinds of layers, an encoder, neurons and a surrogate."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        spike = surrogate.ATan(alpha=2.0)
        self.encoder = encoding.PoissonEncoder(step_mode="m")
        self.features = nn.Sequential(
            layer.Conv2d(1, 4, kernel_size=3, padding="same", bias=False, step_mode="m"),
            layer.BatchNorm2d(4, momentum=None, step_mode="m"),
            neuron.LIFNode(tau=2.0, surrogate_function=spike, detach_reset=True, step_mode="m"),
            layer.MaxPool2d(2, stride=2, step_mode="m"),
            layer.ThresholdDependentBatchNorm2d(1.0, 1.0, num_features=4),
            neuron.IFNode(v_threshold=0.5, v_reset=None, step_mode="m"),
            layer.AdaptiveAvgPool2d((2, 2), step_mode="m"),
            layer.Flatten(step_mode="m"),
            layer.Dropout(0.5, step_mode="m"),
            layer.Delay(delay_steps=1, step_mode="m"),
        )
        self.head = nn.Sequential(
            layer.Linear(16, classes * 2, bias=False, device="cpu", dtype=torch.float32),
            neuron.ParametricLIFNode(init_tau=3.0),
            layer.SynapseFilter(tau=4.0, learnable=True),
            layer.VotingLayer(voting_size=2),
        )
        functional.set_step_mode(self.head, "m")

    def forward(self, x: Tensor) -> Tensor:
        spikes: Tensor = self.encoder(x)
        votes: Tensor = self.head(self.features(spikes))
        return votes.mean(0)


def test_it_runs() -> None:
    net = Net(classes=3)
    y = net(torch.rand(2, 1, 8, 8).expand(4, 2, 1, 8, 8))
    assert y.shape == (2, 3)
    y.sum().backward()
    functional.reset_net(net)


def test_what_a_type_checker_knows() -> None:
    x = torch.linspace(-1, 1, 5)
    assert_type(surrogate.atan(x, 2.0), Tensor)
    assert_type(surrogate.atan_backward(x, x, 2.0), tuple[Tensor | None, ...])
    assert_type(surrogate.Sigmoid(4.0).forward(x), Tensor)
    assert_type(encoding.rate(x.abs(), num_steps=3), Tensor)
    assert_type(bitspike.health(neuron.IFNode(), torch.zeros(3, 1, 1)), Health)
    with torch.device("meta"):
        net = bitspike.models.spiking_resnet18(num_classes=2)
    assert_type(net, models.SpikingResNet)
    with pytest.raises(AttributeError):
        bitspike.layers  # type: ignore[attr-defined]  # noqa: B018


def refused() -> None:
    """Calls that mypy refuses; nobody makes them."""
    layer.Conv2d(1, 4, "3")  # type: ignore[arg-type]
    layer.ConvTranspose1d(1, 4, 3, output_padding="same")  # type: ignore[arg-type]
    layer.Linear(2)  # type: ignore[call-arg]
    layer.WSLinear(2, 3, gain="yes")  # type: ignore[arg-type]
    layer.BatchNorm1d(num_feature=3)  # type: ignore[call-arg]
    layer.GroupNorm(2, 4, affine="yes")  # type: ignore[arg-type]
    layer.MaxPool3d(2, strides=1)  # type: ignore[call-arg]
    layer.AvgPool1d(2, step_mode=1)  # type: ignore[arg-type]
    layer.AvgPool2d(2, divisor_override=1.5)  # type: ignore[arg-type]
    layer.AdaptiveAvgPool3d("2")  # type: ignore[arg-type]
    layer.MaxUnpool2d(None)  # type: ignore[arg-type]
    layer.Flatten("1")  # type: ignore[arg-type]
    layer.Upsample(mode=2)  # type: ignore[arg-type]
    layer.TemporalEffectiveBatchNorm1d("4", 3)  # type: ignore[arg-type]
    layer.BatchNormThroughTime2d(4)  # type: ignore[call-arg]
    layer.ThresholdDependentBatchNorm3d(1.0, 1.0, 4, eps="0")  # type: ignore[arg-type]
    layer.QKAttention(8, qka_type=1)  # type: ignore[arg-type]
    rnn.SpikingLSTM(2, 3, num_layers="1")  # type: ignore[arg-type]
    neuron.LIFNode(tau="2")  # type: ignore[arg-type]
    neuron.IFNode(threshold=1.0)  # type: ignore[call-arg]
    encoding.LatencyEncoder("10")  # type: ignore[arg-type]
    surrogate.ATan(alpha="2")  # type: ignore[arg-type]
    surrogate.atan(torch.zeros(1), beta=2.0)  # type: ignore[call-arg]
    surrogate.erf("x")  # type: ignore[arg-type]
    models.spiking_vgg11(spiking_neuron=2)  # type: ignore[arg-type]
    models.MNISTNet(channels="128")  # type: ignore[arg-type]
