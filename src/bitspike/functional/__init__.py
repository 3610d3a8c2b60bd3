"""Functions on whole networks and on sequences."""

from bitspike.functional._accuracy import accuracy_rate, accuracy_temporal
from bitspike.functional._backend import set_backend
from bitspike.functional._bits import (
    bit_pack_spike_dense,
    bit_spike_compress,
    bit_spike_decompress,
    packed_spike_linear,
    sparse_linear,
)
from bitspike.functional._conv_bn_graph import (
    fuse_conv_bn_eval_modules,
    pack_conv_bn_train_modules,
)
from bitspike.functional._delay import delay, delay_step
from bitspike.functional._freeze import Frozen, freeze
from bitspike.functional._fuse import fuse_conv_bn
from bitspike.functional._initialise import kaiming_normal_conv_linear_weight
from bitspike.functional._labels import redundant_one_hot, set_threshold_margin
from bitspike.functional._lava import lava_cuba_lif_step
from bitspike.functional._neunorm import neunorm_step
from bitspike.functional._neuron_implementation import neuron_implementation
from bitspike.functional._neuron_linear import if_linear, lif_linear
from bitspike.functional._neuron_steps import (
    clif_step,
    cuba_lif_step,
    eif_multi_step,
    eif_step,
    if_multi_step,
    if_step,
    ilif_multi_step,
    ilif_step,
    izhikevich_multi_step,
    izhikevich_step,
    klif_step,
    liaf_step,
    lif_charge,
    lif_multi_step,
    lif_step,
    plif_multi_step,
    plif_step,
    qif_multi_step,
    qif_step,
    raf_step,
    ternary_if_step,
    ternary_lif_step,
    voltage_reset,
)
from bitspike.functional._plasticity import (
    mstdp_linear_step,
    mstdpet_linear_step,
    mstdpet_reward_step,
    stdp_conv1d_step,
    stdp_conv2d_step,
    stdp_linear_step,
)
from bitspike.functional._rate_loss import (
    ce_count_loss,
    ce_max_membrane_loss,
    ce_rate_loss,
    mse_count_loss,
    mse_membrane_loss,
    temporal_efficient_training_cross_entropy,
)
from bitspike.functional._save_memory import save_memory
from bitspike.functional._sequence import (
    chunk_multi_step_forward,
    multi_step_forward,
    seq_to_ann_forward,
)
from bitspike.functional._similarity_loss import kernel_dot_product, spike_similar_loss
from bitspike.functional._spike_times import (
    ce_temporal_loss,
    first_spike_index,
    first_spike_time,
    mse_temporal_loss,
)
from bitspike.functional._state import (
    collect_reset_modules,
    detach_net,
    invalidate_reset_cache,
    reset_collected_modules,
    reset_net,
)
from bitspike.functional._step_mode import set_step_mode
from bitspike.functional._synapse import synapse_filter_step
from bitspike.functional._t_last import t_last_multi_step_forward, t_last_seq_to_ann_forward
from bitspike.neuron._activation_aware import (
    activation_aware_if_multi_step,
    activation_aware_if_step,
)
from bitspike.neuron._gated_lif import gated_lif_step
from bitspike.neuron._psn import masked_psn_step, sliding_psn_step
from bitspike.neuron._stbif import stbif_multi_step, stbif_step

__all__ = [
    "Frozen",
    "accuracy_rate",
    "accuracy_temporal",
    "activation_aware_if_multi_step",
    "activation_aware_if_step",
    "bit_pack_spike_dense",
    "bit_spike_compress",
    "bit_spike_decompress",
    "ce_count_loss",
    "ce_max_membrane_loss",
    "ce_rate_loss",
    "ce_temporal_loss",
    "chunk_multi_step_forward",
    "clif_step",
    "collect_reset_modules",
    "cuba_lif_step",
    "delay",
    "delay_step",
    "detach_net",
    "eif_multi_step",
    "eif_step",
    "first_spike_index",
    "first_spike_time",
    "freeze",
    "fuse_conv_bn",
    "fuse_conv_bn_eval_modules",
    "gated_lif_step",
    "if_linear",
    "if_multi_step",
    "if_step",
    "ilif_multi_step",
    "ilif_step",
    "invalidate_reset_cache",
    "izhikevich_multi_step",
    "izhikevich_step",
    "kaiming_normal_conv_linear_weight",
    "kernel_dot_product",
    "klif_step",
    "lava_cuba_lif_step",
    "liaf_step",
    "lif_charge",
    "lif_linear",
    "lif_multi_step",
    "lif_step",
    "masked_psn_step",
    "mse_count_loss",
    "mse_membrane_loss",
    "mse_temporal_loss",
    "mstdp_linear_step",
    "mstdpet_linear_step",
    "mstdpet_reward_step",
    "multi_step_forward",
    "neunorm_step",
    "neuron_implementation",
    "pack_conv_bn_train_modules",
    "packed_spike_linear",
    "plif_multi_step",
    "plif_step",
    "qif_multi_step",
    "qif_step",
    "raf_step",
    "redundant_one_hot",
    "reset_collected_modules",
    "reset_net",
    "save_memory",
    "seq_to_ann_forward",
    "set_backend",
    "set_step_mode",
    "set_threshold_margin",
    "sliding_psn_step",
    "sparse_linear",
    "spike_similar_loss",
    "stbif_multi_step",
    "stbif_step",
    "stdp_conv1d_step",
    "stdp_conv2d_step",
    "stdp_linear_step",
    "synapse_filter_step",
    "t_last_multi_step_forward",
    "t_last_seq_to_ann_forward",
    "temporal_efficient_training_cross_entropy",
    "ternary_if_step",
    "ternary_lif_step",
    "voltage_reset",
]
