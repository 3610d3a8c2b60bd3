"""Counts of spikes over neighbouring outputs or time steps, and a look at shapes."""

import sys

import torch
from torch import Tensor, nn

from bitspike.base import (
    MultiStepModule,
    ShowsSettings,
    StepModule,
    check_count,
    check_rank,
    check_sequence,
    seq_to_ann_forward,
)
from bitspike.spikes import dense


class VotingLayer(ShowsSettings, nn.Module, StepModule):
    """Mean of each ``voting_size`` neighbouring outputs: several neurons vote for a class.

    Input ``[B, C * voting_size]`` or ``[T, B, C * voting_size]``, output ``[B, C]`` or
    ``[T, B, C]``. Outputs that do not fill a group at the end have no vote.

    Args:
        voting_size: neurons of a class, 1 or more.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        ValueError: if the input has another number of axes, or fewer outputs than a group.
    """

    def __init__(self, voting_size: int = 10, step_mode: str = "s") -> None:
        super().__init__()
        self.voting_size = check_count(self, "voting_size", voting_size)
        self.step_mode = step_mode

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Run one time step, ``[B, C * voting_size]``."""
        if x.ndim != 2 or x.shape[1] < self.voting_size:
            raise ValueError(
                f"VotingLayer: one time step must be [B, C * {self.voting_size}], but got "
                f"{tuple(x.shape)}"
            )
        means = nn.functional.avg_pool1d(x.unsqueeze(1), self.voting_size, self.voting_size)
        return means.squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """Run one time step ``[B, ...]`` or a sequence ``[T, B, ...]``, as `step_mode` says."""
        if self.step_mode == "s":
            return self.single_step_forward(x)
        check_rank(self._whoami(), [f"C * {self.voting_size}"], x.shape)
        y_seq: Tensor = seq_to_ann_forward(x, self.single_step_forward)
        return y_seq


class _Slots(ShowsSettings, nn.Module, MultiStepModule):
    """Base of `SpikeCountToBinary` and `TemporalBinSum`, which are used in a pair."""

    def __init__(self, num_slots: int, always_convert: bool = False) -> None:
        super().__init__()
        self.num_slots = check_count(self, "num_slots", num_slots)
        self.always_convert = bool(always_convert)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence ``[T, B, ...]``."""
        if self.training and not self.always_convert:
            return x_seq
        check_sequence(self, x_seq, ndim=2)
        return self._convert(dense(x_seq))

    def _convert(self, x_seq: Tensor) -> Tensor:
        raise NotImplementedError


class SpikeCountToBinary(_Slots):
    """Spread counts of spikes over ``num_slots`` steps each: ``n`` becomes ``n`` ones, then zeros.

    ``[T, B, ...]`` becomes ``[T * num_slots, B, ...]``, multi-step only; `TemporalBinSum` undoes
    it. A linear layer without bias between the two gives the same as on the counts. The
    gradient of each slot with respect to the count is ``1 / num_slots``.

    Args:
        num_slots: the largest count; larger ones are cut off.
        always_convert: False passes the counts through in training.

    Raises:
        ValueError: if ``num_slots`` is below 1, or the input is no sequence.
    """

    def _convert(self, x_seq: Tensor) -> Tensor:
        counts = x_seq.unsqueeze(1)
        slots = torch.arange(self.num_slots, device=x_seq.device)
        spikes = (slots.view(-1, *[1] * (x_seq.ndim - 1)) < counts).to(x_seq.dtype)
        proxy = counts / self.num_slots
        return (spikes + (proxy - proxy.detach())).flatten(0, 1)


class TemporalBinSum(_Slots):
    """Sum each ``num_slots`` neighbouring steps; zeros fill up the last ones.

    ``[T, B, ...]`` becomes ``[ceil(T / num_slots), B, ...]``, multi-step only. It undoes
    `SpikeCountToBinary`.

    Args:
        num_slots: steps to a sum.
        always_convert: False passes the sequence through in training.

    Raises:
        ValueError: if ``num_slots`` is below 1, or the input is no sequence.
    """

    def _convert(self, x_seq: Tensor) -> Tensor:
        missing = -len(x_seq) % self.num_slots
        if missing:
            x_seq = torch.cat((x_seq, x_seq.new_zeros(missing, *x_seq.shape[1:])))
        return x_seq.reshape(-1, self.num_slots, *x_seq.shape[1:]).sum(1)


class PrintShapeModule(ShowsSettings, nn.Module):
    """Print the shape of the input to the standard error, and return the input.

    Args:
        ext_str: printed before the shape.
    """

    def __init__(self, ext_str: str = "PrintShapeModule") -> None:
        super().__init__()
        self.ext_str = ext_str

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        sys.stderr.write(f"{self.ext_str} {tuple(x.shape)}\n")
        return x
