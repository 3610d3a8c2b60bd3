"""Labels for an output layer with several neurons for each class, or with a margin."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def redundant_one_hot(labels: Tensor, num_classes: int, n: int) -> Tensor:
    """Return one-hot labels with ``n`` neighbouring outputs for each class.

    Args:
        labels: class numbers ``[B]``.
        num_classes: number of classes ``C``.
        n: outputs for each class.

    Returns:
        0 and 1 in the default dtype, ``[B, C n]``.
    """
    return F.one_hot(labels, num_classes).repeat_interleave(n, -1).to(torch.get_default_dtype())


def set_threshold_margin(
    output_layer: nn.Module,
    label_one_hot: Tensor,
    eval_threshold: float = 1.0,
    threshold0: float = 0.9,
    threshold1: float = 1.1,
) -> None:
    """Set thresholds that the right class reaches less easily than the others.

    In training, ``v_threshold`` of the output layer becomes a tensor: ``threshold1`` where the
    label is 1, ``threshold0`` elsewhere. In evaluation it is ``eval_threshold`` everywhere. A
    network trained under the harder condition is right with a margin under the usual one.

    Args:
        output_layer: the neurons of the output.
        label_one_hot: ``[B, C]``, the shape of the layer's input at one time step.
        eval_threshold: threshold in evaluation.
        threshold0: threshold of the wrong classes in training.
        threshold1: threshold of the right class in training.
    """
    neurons: Any = output_layer
    if output_layer.training:
        low, high = (
            torch.as_tensor(t, device=label_one_hot.device) for t in (threshold0, threshold1)
        )
        neurons.v_threshold = torch.where(label_one_hot == 1, high, low)
    else:
        neurons.v_threshold = eval_threshold
