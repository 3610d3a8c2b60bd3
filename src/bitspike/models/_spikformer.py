"""Spikformer: a vision transformer of spikes."""

from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from bitspike import functional, layer, neuron
from bitspike.layer import SeqToANNContainer, SpikingSelfAttention
from bitspike.models._build import MakeNeuron


def _neuron(make: MakeNeuron | None, kwargs: dict[str, Any]) -> nn.Module:
    """Make a multi-step neuron of the requested kind, or the paper's."""
    if make is None:
        arguments = {"tau": 2.0, "detach_reset": True, **deepcopy(kwargs)}
        return neuron.LIFNode(**{**arguments, "step_mode": "m"})
    return make(**{**deepcopy(kwargs), "step_mode": "m"})


class _ConvBN(nn.Module):
    """A 3 x 3 convolution, its normalisation, and pooling by 2."""

    def __init__(self, inside: int, out: int, pool: bool) -> None:
        super().__init__()
        parts = [nn.Conv2d(inside, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)]
        pooling = [nn.MaxPool2d(kernel_size=3, stride=2, padding=1)] if pool else []
        self.block = SeqToANNContainer(*parts, *pooling)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run ``[T, B, C, H, W]``."""
        y_seq: Tensor = self.block(x_seq)
        return y_seq


class _ConvNeuron(nn.Module):
    """`_ConvBN` and neurons."""

    def __init__(
        self, inside: int, out: int, pool: bool, make: MakeNeuron | None, kwargs: dict[str, Any]
    ) -> None:
        super().__init__()
        self.conv_bn = _ConvBN(inside, out, pool)
        self.neuron = _neuron(make, kwargs)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run ``[T, B, C, H, W]``."""
        y_seq: Tensor = self.neuron(self.conv_bn(x_seq))
        return y_seq


class _PatchStem(nn.Module):
    """Images to a grid of patches with ``dims`` channels: spiking patch splitting."""

    # Which of the four convolutions pool, by side of a patch.
    POOLS = {4: (False, False, True, True), 16: (True, True, True, True)}  # noqa: RUF012

    def __init__(
        self,
        patch_size: int,
        in_channels: int,
        dims: int,
        make: MakeNeuron | None,
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__()
        if patch_size not in self.POOLS:
            raise ValueError(f"Spikformer: patch_size must be 4 or 16, but got {patch_size}")
        stages, inside = [], in_channels
        for share, pool in zip((8, 4, 2, 1), self.POOLS[patch_size], strict=True):
            stages.append(_ConvNeuron(inside, dims // share, pool, make, kwargs))
            inside = dims // share
        self.stages = nn.Sequential(*stages)
        self.positional_encoding = _ConvNeuron(dims, dims, False, make, kwargs)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run ``[T, B, C, H, W]``."""
        x_seq = self.stages(x_seq)
        y_seq: Tensor = self.positional_encoding(x_seq) + x_seq
        return y_seq


class _MLP(nn.Module):
    """Two layers of neurons that see one token at a time."""

    def __init__(
        self, dim: int, hidden: int, make: MakeNeuron | None, kwargs: dict[str, Any]
    ) -> None:
        super().__init__()
        for i, (inside, out) in enumerate(((dim, hidden), (hidden, dim)), 1):
            conv = nn.Conv1d(inside, out, kernel_size=1, bias=False)
            self.add_module(f"fc{i}", SeqToANNContainer(conv, nn.BatchNorm1d(out)))
            self.add_module(f"neuron{i}", _neuron(make, kwargs))

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run ``[T, B, C, L]``."""
        for i in (1, 2):
            x_seq = getattr(self, f"neuron{i}")(getattr(self, f"fc{i}")(x_seq))
        return x_seq


class _Block(nn.Module):
    """Attention and MLP, each with a shortcut that adds spikes."""

    def __init__(
        self, dim: int, heads: int, ratio: float, make: MakeNeuron | None, kwargs: dict[str, Any]
    ) -> None:
        super().__init__()
        self.attn = SpikingSelfAttention(dim, heads, make, **kwargs)
        self.mlp = _MLP(dim, int(dim * ratio), make, kwargs)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run ``[T, B, C, L]``."""
        x_seq = x_seq + self.attn(x_seq)
        y_seq: Tensor = x_seq + self.mlp(x_seq)
        return y_seq


class Spikformer(nn.Module):
    """Vision transformer whose queries, keys, values and hidden units are spikes.

    Images ``[B, C, H, W]``, shown for T steps, or sequences ``[T, B, C, H, W]``, to currents
    ``[T, B, num_classes]``; multi-step only.

    Args:
        T: time steps that an image is shown for.
        in_channels: channels ``C`` of the images.
        img_size_h: their height.
        img_size_w: their width.
        patch_size: side of a patch in pixels, 4 or 16.
        num_classes: outputs.
        embed_dims: channels of a token, a multiple of 8 and of ``num_heads``.
        num_heads: heads of the attention.
        mlp_ratio: hidden units of the MLP, as a multiple of ``embed_dims``.
        depths: number of blocks.
        spiking_neuron: makes the neurons; None is `neuron.LIFNode` with ``tau=2.0,
            detach_reset=True``.
        **kwargs: for each neuron, a copy for each.

    Raises:
        ValueError: for another ``patch_size``, heads that do not divide the channels, or an input
            of another shape.

    Paper: Zhou et al., "Spikformer: When Spiking Neural Network Meets Transformer", ICLR 2023.
    """

    def __init__(
        self,
        T: int = 4,
        in_channels: int = 3,
        img_size_h: int = 224,
        img_size_w: int = 224,
        patch_size: int = 16,
        num_classes: int = 1000,
        embed_dims: int = 256,
        num_heads: int = 8,
        mlp_ratio: float = 4.0,
        depths: int = 4,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.T = T
        self.image = (in_channels, img_size_h, img_size_w)
        self.patch_embed = _PatchStem(patch_size, in_channels, embed_dims, spiking_neuron, kwargs)
        self.blocks = nn.ModuleList(
            _Block(embed_dims, num_heads, mlp_ratio, spiking_neuron, kwargs) for _ in range(depths)
        )
        self.head = layer.Linear(embed_dims, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        """Return currents ``[T, B, num_classes]`` of images or sequences."""
        if x.ndim not in (4, 5) or tuple(x.shape[-3:]) != self.image:
            C, H, W = self.image
            raise ValueError(
                f"Spikformer: the input must be images [B, {C}, {H}, {W}] or a sequence "
                f"[T, B, {C}, {H}, {W}], but got {tuple(x.shape)}"
            )
        x_seq = x.expand(self.T, *x.shape) if x.ndim == 4 else x
        tokens = self.patch_embed(x_seq).flatten(3)
        for block in self.blocks:
            tokens = block(tokens)
        y_seq: Tensor = self.head(tokens.mean(-1))
        return y_seq


def spikformer_ti(
    T: int = 4,
    in_channels: int = 3,
    img_size_h: int = 224,
    img_size_w: int = 224,
    num_classes: int = 1000,
    spiking_neuron: MakeNeuron | None = None,
    **kwargs: Any,
) -> Spikformer:
    """Make a tiny `Spikformer`: 4 blocks of 256 channels and 8 heads, patches of 16 x 16 pixels.

    The arguments are those of `Spikformer`.
    """
    return Spikformer(
        T, in_channels, img_size_h, img_size_w, 16, num_classes, 256, 8, 4.0, 4,
        spiking_neuron, **kwargs,
    )  # fmt: skip


def spikformer_s(
    T: int = 4,
    in_channels: int = 3,
    img_size_h: int = 224,
    img_size_w: int = 224,
    num_classes: int = 1000,
    spiking_neuron: MakeNeuron | None = None,
    **kwargs: Any,
) -> Spikformer:
    """Make a small `Spikformer`: 6 blocks of 384 channels and 12 heads, patches of 16 x 16 pixels.

    The arguments are those of `Spikformer`.
    """
    return Spikformer(
        T, in_channels, img_size_h, img_size_w, 16, num_classes, 384, 12, 4.0, 6,
        spiking_neuron, **kwargs,
    )  # fmt: skip


def spikformer_cifar10(
    T: int = 4,
    num_classes: int = 10,
    spiking_neuron: MakeNeuron | None = None,
    **kwargs: Any,
) -> Spikformer:
    """Make a `Spikformer` for CIFAR-10: 4 blocks, 384 channels, 12 heads, patches of 4 x 4 pixels.

    The arguments are those of `Spikformer`.
    """
    return Spikformer(T, 3, 32, 32, 4, num_classes, 384, 12, 4.0, 4, spiking_neuron, **kwargs)
