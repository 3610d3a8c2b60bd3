"""The networks of the parametric LIF paper, one for each data set."""

from typing import Any, ClassVar

from torch import Tensor, nn

from bitspike import layer, neuron
from bitspike.models._build import MakeNeuron, maker


class _PLIFNet(nn.Module):
    """Base of the networks; `MNISTNet` describes them."""

    in_channels: ClassVar[int]
    stages: ClassVar[int]  # each ends with pooling by 2
    convolutions: ClassVar[int] = 1  # in a stage
    side: ClassVar[int]  # of the images that the last pooling leaves
    hidden: ClassVar[int]
    classes: ClassVar[int] = 10

    VOTERS: ClassVar[int] = 10

    def __init__(
        self, channels: int = 128, spiking_neuron: MakeNeuron | None = None, **kwargs: Any
    ) -> None:
        super().__init__()
        kind = neuron.ParametricLIFNode if spiking_neuron is None else spiking_neuron
        make = maker(kind, kwargs)
        parts: list[nn.Module] = []
        inside = self.in_channels
        for _ in range(self.stages):
            for _ in range(self.convolutions):
                conv = layer.Conv2d(inside, channels, kernel_size=3, padding=1, bias=False)
                parts += [conv, layer.BatchNorm2d(channels), make()]
                inside = channels
            parts.append(layer.MaxPool2d(2, 2))
        self.conv_fc = nn.Sequential(
            *parts,
            layer.Flatten(),
            layer.Dropout(0.5),
            layer.Linear(channels * self.side**2, self.hidden),
            make(),
            layer.Dropout(0.5),
            layer.Linear(self.hidden, self.classes * self.VOTERS),
            make(),
            layer.VotingLayer(self.VOTERS),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return votes for the classes: shares of ten neurons that fire."""
        y: Tensor = self.conv_fc(x)
        return y


class MNISTNet(_PLIFNet):
    """PLIF network for MNIST, images ``[1, 28, 28]``.

    Stages of convolutions and max-pooling, two fully connected layers, and voters: images
    ``[B, C, H, W]`` to votes ``[B, classes]`` in single-step mode, ``[T, B, ...]`` in multi-step
    mode (`functional.set_step_mode`).

    Args:
        channels: of each convolution.
        spiking_neuron: makes the neurons; None is `neuron.ParametricLIFNode`.
        **kwargs: for each neuron, a copy for each.

    Paper: Fang et al., "Incorporating learnable membrane time constant to enhance learning of
    spiking neural networks", ICCV 2021.
    """

    in_channels, stages, side, hidden = 1, 2, 7, 2048


class FashionMNISTNet(MNISTNet):
    """PLIF network for Fashion-MNIST, images ``[1, 28, 28]``; see `MNISTNet`."""


class NMNISTNet(_PLIFNet):
    """PLIF network for N-MNIST, images ``[2, 34, 34]``; see `MNISTNet`."""

    in_channels, stages, side, hidden = 2, 2, 8, 2048


class CIFAR10Net(_PLIFNet):
    """PLIF network for CIFAR-10, images ``[3, 32, 32]``; see `MNISTNet`."""

    in_channels, stages, convolutions, side, hidden = 3, 2, 3, 8, 2048

    def __init__(
        self, channels: int = 256, spiking_neuron: MakeNeuron | None = None, **kwargs: Any
    ) -> None:
        super().__init__(channels, spiking_neuron, **kwargs)


class CIFAR10DVSNet(_PLIFNet):
    """PLIF network for CIFAR10-DVS, images ``[2, 128, 128]``; see `MNISTNet`."""

    in_channels, stages, side, hidden = 2, 4, 8, 512


class DVSGestureNet(_PLIFNet):
    """PLIF network for DVS128 Gesture, images ``[2, 128, 128]``; see `MNISTNet`."""

    in_channels, stages, side, hidden, classes = 2, 5, 4, 512, 11
