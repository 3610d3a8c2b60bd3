"""VGG with spiking neurons."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from bitspike import layer
from bitspike.models._build import (
    MakeNetwork,
    MakeNeuron,
    MakeNorm,
    described,
    flatten,
    initialise,
    maker,
    refuse_pretrained,
)

# Channels of the convolutions, "M" for pooling.
PLANS: dict[str, tuple[int | str, ...]] = {
    "11": (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "13": (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "16": (
        *(64, 64, "M", 128, 128, "M", 256, 256, 256, "M"),
        *(512, 512, 512, "M", 512, 512, 512, "M"),
    ),
    "19": (
        *(64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M"),
        *(512, 512, 512, 512, "M", 512, 512, 512, 512, "M"),
    ),
}


class SpikingVGG(nn.Module):
    """VGG whose activations are spiking neurons.

    Images ``[B, 3, H, W]`` to currents ``[B, num_classes]`` in single-step mode, ``[T, B, ...]``
    in multi-step mode (`functional.set_step_mode`).

    Args:
        cfg: channels of the 3 x 3 convolutions, and ``"M"`` for max-pooling by 2.
        batch_norm: whether each convolution is normalised.
        norm_layer: makes the normalisation of so many channels; None is `layer.BatchNorm2d`.
        num_classes: outputs.
        init_weights: whether weights are initialised as torchvision does, or as torch does.
        spiking_neuron: makes the neurons; None is `neuron.IFNode`.
        **kwargs: for each neuron, a copy for each.

    Paper: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR 2015.
    """

    def __init__(
        self,
        cfg: Sequence[int | str],
        batch_norm: bool = False,
        norm_layer: MakeNorm | None = None,
        num_classes: int = 1000,
        init_weights: bool = True,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        make = maker(spiking_neuron, kwargs)
        norm = layer.BatchNorm2d if norm_layer is None else norm_layer
        features: list[nn.Module] = []
        channels = 3
        for entry in cfg:
            if isinstance(entry, str):
                features.append(layer.MaxPool2d(kernel_size=2, stride=2))
                continue
            features.append(layer.Conv2d(channels, entry, kernel_size=3, padding=1))
            if batch_norm:
                features.append(norm(entry))
            features.append(make())
            channels = entry
        self.features = nn.Sequential(*features)
        self.avgpool = layer.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            layer.Linear(channels * 7 * 7, 4096),
            make(),
            layer.Dropout(),
            layer.Linear(4096, 4096),
            make(),
            layer.Dropout(),
            layer.Linear(4096, num_classes),
        )
        if init_weights:
            initialise(self.modules())
            for module in self.modules():
                if isinstance(module, layer.Linear):
                    nn.init.normal_(module.weight, 0, 0.01)
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the currents of the classes."""
        x = self.avgpool(self.features(x))
        y: Tensor = self.classifier(flatten(x, self.avgpool))
        return y


class _MakeVGGNorm(Protocol):
    def __call__(
        self,
        pretrained: bool = False,
        progress: bool = True,
        norm_layer: MakeNorm | None = None,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> SpikingVGG: ...


def _plain(size: str) -> MakeNetwork[SpikingVGG]:
    name = f"spiking_vgg{size}"

    def make(
        pretrained: bool = False,
        progress: bool = True,  # noqa: ARG001 -- of a download
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> SpikingVGG:
        refuse_pretrained(name, pretrained)
        return SpikingVGG(PLANS[size], spiking_neuron=spiking_neuron, **kwargs)

    return described(make, name, SpikingVGG)


def _normalised(size: str) -> _MakeVGGNorm:
    name = f"spiking_vgg{size}_bn"

    def make(
        pretrained: bool = False,
        progress: bool = True,  # noqa: ARG001 -- of a download
        norm_layer: MakeNorm | None = None,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> SpikingVGG:
        refuse_pretrained(name, pretrained)
        return SpikingVGG(
            PLANS[size],
            batch_norm=True,
            norm_layer=norm_layer,
            spiking_neuron=spiking_neuron,
            **kwargs,
        )

    norm = "norm_layer: makes the normalisations; None is `layer.BatchNorm2d`."
    return described(make, name, SpikingVGG, norm)


spiking_vgg11 = _plain("11")
"""`SpikingVGG` with 11 layers of weights."""
spiking_vgg13 = _plain("13")
"""`SpikingVGG` with 13 layers of weights."""
spiking_vgg16 = _plain("16")
"""`SpikingVGG` with 16 layers of weights."""
spiking_vgg19 = _plain("19")
"""`SpikingVGG` with 19 layers of weights."""
spiking_vgg11_bn = _normalised("11")
"""`SpikingVGG` with 11 layers of weights and batch normalisation."""
spiking_vgg13_bn = _normalised("13")
"""`SpikingVGG` with 13 layers of weights and batch normalisation."""
spiking_vgg16_bn = _normalised("16")
"""`SpikingVGG` with 16 layers of weights and batch normalisation."""
spiking_vgg19_bn = _normalised("19")
"""`SpikingVGG` with 19 layers of weights and batch normalisation."""
