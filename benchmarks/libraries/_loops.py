"""snnTorch and Norse: the program loops over time, and passes the neurons' state along."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.libraries._network import Network
from benchmarks.libraries._parts import Part


class Loop(Network):
    """A network that runs step by step; a neuron takes and returns its state."""

    def _steps(self, x_seq: Tensor) -> Any:
        states: list[Any] = [None] * len(self.layers)
        for x in x_seq.unbind(0):
            for i, (layer, is_neuron) in enumerate(zip(self.layers, self.is_neuron, strict=True)):
                if is_neuron:
                    x, states[i] = layer(x, states[i])
                else:
                    x = layer(x)
            yield x

    def spikes(self, x_seq: Tensor) -> Tensor:
        """Return all output spikes, stacked."""
        return torch.stack(list(self._steps(x_seq)))

    def rate_of(self, x_seq: Tensor) -> Tensor:
        """Return the rates, and keep only the sum."""
        total: Any = 0.0
        for s in self._steps(x_seq):
            total = total + s
        mean: Tensor = total / len(x_seq)
        return mean


class SnnTorch(Loop):
    """snnTorch: ``v = beta v + x``, so that x stands for our x / tau."""

    def __init__(self, parts: list[Part]) -> None:
        super().__init__(parts)
        self.input_scale = 1.0 if self.parameters() else 0.5
        self._halve()

    def neuron(self) -> nn.Module:
        """Return Leaky with reset to zero in the same step and its default surrogate, ATan."""
        snn: Any = import_module("snntorch")
        lif: nn.Module = snn.Leaky(beta=0.5, reset_mechanism="zero", reset_delay=False)
        return lif

    def copy_from(self, other: Network) -> None:
        """Halve the weights before a neuron."""
        super().copy_from(other)
        self._halve()

    @torch.no_grad()
    def _halve(self) -> None:
        last = None
        for layer, is_neuron in zip(self.layers, self.is_neuron, strict=True):
            if is_neuron and last is not None:
                for parameter in last.parameters():
                    parameter.mul_(0.5)
            last = layer if any(True for _ in layer.parameters()) else last

    def _steps(self, x_seq: Tensor) -> Any:
        for layer, is_neuron in zip(self.layers, self.is_neuron, strict=True):
            if is_neuron:
                layer.reset_mem()  # type: ignore[operator]
        return super()._steps(x_seq)

    def encode(self, image: Tensor, T: int) -> Tensor:
        """Use its spike generator."""
        spikegen: Any = import_module("snntorch.spikegen")
        x_seq: Tensor = spikegen.rate(image, num_steps=T)
        return x_seq


class Norse(Loop):
    """Norse: the LIF without synaptic current, in steps of dt = 1 ms."""

    def neuron(self) -> nn.Module:
        """Return the LIF with 1 / tau = 500 / s and its default surrogate, SuperSpike."""
        norse: Any = import_module("norse.torch")
        parameters = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(500.0))
        lif: nn.Module = norse.LIFBoxCell(parameters, dt=1e-3)
        return lif

    def encode(self, image: Tensor, T: int) -> Tensor:
        """Use its encoder, with at most one spike per step."""
        norse: Any = import_module("norse.torch")
        x_seq: Tensor = norse.PoissonEncoder(T, f_max=1000)(image)
        return x_seq
