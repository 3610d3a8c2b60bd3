"""Losses and accuracies of an output layer's spikes and potentials over time."""

from bitspike.loss._labels import redundant_one_hot, set_threshold_margin
from bitspike.loss._rates import (
    accuracy_rate,
    ce_count_loss,
    ce_max_membrane_loss,
    ce_rate_loss,
    mse_count_loss,
    mse_membrane_loss,
    temporal_efficient_training_cross_entropy,
)
from bitspike.loss._similarity import kernel_dot_product, spike_similar_loss
from bitspike.loss._spike_times import (
    accuracy_temporal,
    ce_temporal_loss,
    first_spike_index,
    first_spike_time,
    mse_temporal_loss,
)

__all__ = [
    "accuracy_rate",
    "accuracy_temporal",
    "ce_count_loss",
    "ce_max_membrane_loss",
    "ce_rate_loss",
    "ce_temporal_loss",
    "first_spike_index",
    "first_spike_time",
    "kernel_dot_product",
    "mse_count_loss",
    "mse_membrane_loss",
    "mse_temporal_loss",
    "redundant_one_hot",
    "set_threshold_margin",
    "spike_similar_loss",
    "temporal_efficient_training_cross_entropy",
]
