"""Attention that weights time steps, channels and places by their averages and maxima."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bitspike.base import MultiStepModule, ShowsSettings


def _squeeze_mlp(layer: type[nn.Module], size: int, reduction: int, name: str) -> nn.Sequential:
    """``size`` to ``size // reduction`` and back; ``layer`` is ``nn.Linear`` or ``nn.Conv3d``."""
    if not 1 <= reduction <= size:
        raise ValueError(
            f"the reduction of {name} must be from 1 to {name}={size}, but got {reduction}"
        )
    kernel = () if layer is nn.Linear else (1,)
    return nn.Sequential(
        layer(size, size // reduction, *kernel, bias=False),
        nn.ReLU(),
        layer(size // reduction, size, *kernel, bias=False),
    )


class TemporalWiseAttention(ShowsSettings, nn.Module, MultiStepModule):
    """Weight each time step by the averages and maxima of all of them.

    ::

        Y[t] = X[t] a[t]        a = sigmoid(MLP(mean of each X[t]) + MLP(maximum of each X[t]))

    Input and output are ``[T, B, C, H, W]``, or ``[T, B, N]`` with ``dimension=2``, multi-step
    only. The MLP goes from T to ``T // reduction`` and back.

    Args:
        T: number of time steps.
        reduction: from 1 to T.
        dimension: 4 or 2, axes of one time step.

    Raises:
        ValueError: for other values or another shape.

    Paper: Yao et al., "Temporal-Wise Attention Spiking Neural Networks for Event Streams
    Classification", ICCV 2021.
    """

    def __init__(self, T: int, reduction: int = 16, dimension: int = 4) -> None:
        super().__init__()
        if dimension not in (2, 4):
            raise ValueError(f"TemporalWiseAttention: dimension must be 4 or 2, got {dimension!r}")
        self.T = T
        self.dimension = dimension
        self.sharedMLP = _squeeze_mlp(nn.Linear, T, reduction, "T")

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence."""
        if x_seq.ndim != self.dimension + 1 or len(x_seq) != self.T:
            axes = "B, N" if self.dimension == 2 else "B, C, H, W"
            raise ValueError(
                f"TemporalWiseAttention: the input must be [{self.T}, {axes}], but got "
                f"{tuple(x_seq.shape)}"
            )
        x = x_seq.transpose(0, 1)
        flat = x.flatten(2)
        pooled = F.adaptive_avg_pool1d(flat, 1), F.adaptive_max_pool1d(flat, 1)
        mean, most = (self.sharedMLP(values.squeeze(-1)) for values in pooled)
        score = torch.sigmoid(mean + most)
        return (x * score.view(*score.shape, *[1] * (x.ndim - 2))).transpose(0, 1)


class _AxisAttention(nn.Module):
    """Scores of axis 1, or of axis 2, of ``[B, T, C, H, W]``."""

    def __init__(self, size: int, reduction: int, axis: int, name: str) -> None:
        super().__init__()
        self.axis = axis
        self.sharedMLP = _squeeze_mlp(nn.Conv3d, size, reduction, name)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, self.axis)
        mean, most = F.adaptive_avg_pool3d(x, 1), F.adaptive_max_pool3d(x, 1)
        score = torch.sigmoid(self.sharedMLP(mean) + self.sharedMLP(most))
        return score.transpose(1, self.axis)


class _SpatialAttention(nn.Module):
    """Scores of each place of ``[B, T, C, H, W]``."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1, 2)
        both = torch.cat((x.mean(1, keepdim=True), x.max(1, keepdim=True).values), 1)
        return torch.sigmoid(self.conv(both)).unsqueeze(1)


class MultiDimensionalAttention(ShowsSettings, nn.Module, MultiStepModule):
    """Weight time steps, then channels, then places; then a ReLU.

    Each weight is a sigmoid of averages and maxima over the other axes, passed through an MLP
    for time and channels, through a convolution for places. Input and output are
    ``[T, B, C, H, W]``, multi-step only.

    Args:
        T: number of time steps.
        C: number of channels.
        reduction_t: the MLP of time goes from T to ``T // reduction_t`` and back.
        reduction_c: the same for channels.
        kernel_size: 3 or 7, of the convolution.
        use_temporal: whether time steps are weighted.
        use_channel: whether channels are weighted.
        use_spatial: whether places are weighted.

    Raises:
        ValueError: for other values or another shape, or if nothing is to be weighted.

    Paper: Yao et al., "Attention Spiking Neural Networks", IEEE TPAMI 2023.
    """

    def __init__(
        self,
        T: int,
        C: int,
        reduction_t: int = 16,
        reduction_c: int = 16,
        kernel_size: int = 3,
        use_temporal: bool = True,
        use_channel: bool = True,
        use_spatial: bool = True,
    ) -> None:
        super().__init__()
        if not (use_temporal or use_channel or use_spatial):
            raise ValueError(
                "MultiDimensionalAttention: one of use_temporal, use_channel and use_spatial must "
                "be True"
            )
        if kernel_size not in (3, 7):
            raise ValueError(
                f"MultiDimensionalAttention: kernel_size must be 3 or 7, but got {kernel_size!r}"
            )
        self.T = T
        self.C = C
        self.ta = _AxisAttention(T, reduction_t, 1, "T") if use_temporal else None
        self.ca = _AxisAttention(C, reduction_c, 2, "C") if use_channel else None
        self.sa = _SpatialAttention(kernel_size) if use_spatial else None

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole sequence ``[T, B, C, H, W]``."""
        if x.ndim != 5 or (x.shape[0], x.shape[2]) != (self.T, self.C):
            raise ValueError(
                f"MultiDimensionalAttention: the input must be [{self.T}, B, {self.C}, H, W], but "
                f"got {tuple(x.shape)}"
            )
        y = x.transpose(0, 1)
        for attention in (self.ta, self.ca, self.sa):
            if attention is not None:
                y = attention(y) * y
        return F.relu(y).transpose(0, 1)
