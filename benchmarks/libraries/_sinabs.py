"""sinabs: whole sequences with the batch first."""

import math
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.libraries._network import Network


class Sinabs(Network):
    """A network whose neurons take ``[B, T, ...]``; other layers see batch and time as one axis."""

    def neuron(self) -> nn.Module:
        """Return the LIF with exp(-1 / tau) = 1/2 and its default surrogate."""
        layers: Any = import_module("sinabs.layers")
        activation: Any = import_module("sinabs.activation")
        lif: nn.Module = layers.LIF(
            tau_mem=1 / math.log(2),
            spike_fn=activation.SingleSpike,
            reset_fn=activation.MembraneReset(),
        )
        return lif.requires_grad_(False)

    def encode(self, image: Tensor, T: int) -> Tensor:
        """Draw spikes as its tutorials do; it has no encoder."""
        return (torch.rand(T, *image.shape) < image).float()

    def spikes(self, x_seq: Tensor) -> Tensor:
        """Move time to the second axis inside."""
        T, B = x_seq.shape[:2]
        x = x_seq.transpose(0, 1)
        for layer, is_neuron in zip(self.layers, self.is_neuron, strict=True):
            if is_neuron:
                layer.reset_states()  # type: ignore[operator]
                x = layer(x)
            else:
                x = layer(x.reshape(B * T, *x.shape[2:])).unflatten(0, (B, T))
        return x.transpose(0, 1)
