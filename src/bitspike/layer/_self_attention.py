"""Self-attention between spikes: products of spikes, no softmax."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from bitspike.base import MultiStepModule, ShowsSettings
from bitspike.layer._containers import SeqToANNContainer
from bitspike.layer._linear import Conv2d
from bitspike.layer._normalisation import BatchNorm2d
from bitspike.neuron import LIFNode

MakeNeuron = Callable[..., nn.Module]


class _Heads(ShowsSettings, nn.Module, MultiStepModule):
    """Base of the attentions: heads, neurons, and the check of the input."""

    def __init__(
        self, dim: int, num_heads: int, make: MakeNeuron | None, kwargs: dict[str, Any]
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        if num_heads < 1 or dim % num_heads != 0:
            raise ValueError(
                f"{kind}: dim={dim} channels cannot be divided among num_heads={num_heads} heads"
            )
        if kwargs.get("step_mode", "m") != "m":
            raise ValueError(f"{kind}: its neurons are always in step_mode 'm'")
        self.dim = dim
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self._make = make
        self._kwargs = kwargs

    def _neuron(self, **defaults: Any) -> nn.Module:
        """Make a neuron of the requested kind; the defaults are those of `LIFNode` only."""
        own = {**deepcopy(self._kwargs), "step_mode": "m"}
        if self._make is None:
            return LIFNode(**{"tau": 2.0, "detach_reset": True, **defaults, **own})
        return self._make(**own)

    def _conv_bn(self, out: int) -> SeqToANNContainer:
        return SeqToANNContainer(nn.Conv1d(self.dim, out, 1, bias=False), nn.BatchNorm1d(out))

    def _check(self, x_seq: Tensor, axes: str) -> None:
        ndim = 3 + axes.count(",") + 1
        if x_seq.ndim != ndim or x_seq.shape[2] != self.dim:
            raise ValueError(
                f"{type(self).__name__}: the input must be [T, B, {self.dim}, {axes}], but got "
                f"{tuple(x_seq.shape)}"
            )


class SpikingSelfAttention(_Heads):
    """Spiking self-attention (SSA), as in Spikformer.

    ::

        Q, K, V = neuron(BN(Conv1d(X)))
        Y = neuron(BN(Conv1d(neuron(0.125 V K^T Q))))       for each head, threshold 0.5 inside

    Input and output are ``[T, B, C, L]`` with ``C = dim`` and ``L`` tokens, multi-step only.

    Args:
        dim: channels ``C``.
        num_heads: heads; they share the channels.
        spiking_neuron: makes the neurons; None is `LIFNode` with ``tau=2.0, detach_reset=True``.
        **kwargs: for each neuron.

    Raises:
        ValueError: if ``dim`` is no multiple of ``num_heads``, or for another shape of the input.

    Paper: Zhou et al., "Spikformer: When Spiking Neural Network Meets Transformer", ICLR 2023.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, num_heads, spiking_neuron, kwargs)
        self.scale = 0.125
        self.qkv_conv_bn = self._conv_bn(3 * dim)
        self.qkv_lif = self._neuron()
        self.attn_lif = self._neuron(v_threshold=0.5)
        self.proj_conv_bn = self._conv_bn(dim)
        self.proj_lif = self._neuron()

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence ``[T, B, C, L]``."""
        self._check(x_seq, "L")
        qkv = self.qkv_lif(self.qkv_conv_bn(x_seq))
        q, k, v = qkv.unflatten(2, (3, self.num_heads, self.head_dim)).unbind(2)
        attention = self.attn_lif(((v @ k.transpose(-2, -1)) @ q) * self.scale)
        y: Tensor = self.proj_lif(self.proj_conv_bn(attention.flatten(2, 3)))
        return y


class QKAttention(_Heads):
    """Attention of queries and keys (QKA), linear in tokens and channels, as in QKFormer.

    ::

        Q, K = neuron(BN(Conv1d(X)))
        Y = neuron(BN(Conv1d(neuron(sum of Q) * K)))        for each head, threshold 0.5 inside

    ``'token'`` sums ``Q`` over the channels of a head, so that tokens are let through or not;
    ``'channel'`` sums over the tokens. Input and output are ``[T, B, C, L]`` with ``C = dim`` and
    ``L`` tokens, multi-step only.

    Args:
        dim: channels ``C``; all but the next are as in `SpikingSelfAttention`.
        qka_type: ``'token'`` or ``'channel'``.

    Raises:
        ValueError: if ``dim`` is no multiple of ``num_heads``, for another ``qka_type``, or for
            another shape of the input.

    Paper: Zhou et al., "QKFormer: Hierarchical Spiking Transformer using Q-K Attention",
    NeurIPS 2024.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        qka_type: str = "token",
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, num_heads, spiking_neuron, kwargs)
        sum_dims = {"token": 3, "channel": 4}
        if qka_type not in sum_dims:
            raise ValueError(
                f"{type(self).__name__}: qka_type must be 'token' or 'channel', got {qka_type!r}"
            )
        self._qka_type = qka_type
        self.sum_dim = sum_dims[qka_type]
        self.qk_conv_bn = self._conv_bn(2 * dim)
        self.qk_lif = self._neuron()
        self.attn_lif = self._neuron(v_threshold=0.5)
        self.proj_conv_bn = self._conv_bn(dim)
        self.proj_lif = self._neuron()

    @property
    def qka_type(self) -> str:
        """``'token'`` or ``'channel'``."""
        return self._qka_type

    def forward(self, x_seq: Tensor) -> Tensor:
        """Run a whole sequence ``[T, B, C, L]``."""
        self._check(x_seq, "L")
        qk = self.qk_lif(self.qk_conv_bn(x_seq))
        q, k = qk.unflatten(2, (2, self.num_heads, self.head_dim)).unbind(2)
        attention = self.attn_lif(q.sum(self.sum_dim, keepdim=True)) * k
        y: Tensor = self.proj_lif(self.proj_conv_bn(attention.flatten(2, 3)))
        return y


class TokenQKAttention(QKAttention):
    """`QKAttention` with ``qka_type='token'``."""

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, num_heads, "token", spiking_neuron, **kwargs)


class ChannelQKAttention(QKAttention):
    """`QKAttention` with ``qka_type='channel'``."""

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, num_heads, "channel", spiking_neuron, **kwargs)


class SpikeDrivenSelfAttention(_Heads):
    """Spike-driven self-attention (SDSA): masks and sums only, as in Spike-driven Transformer.

    ::

        S = neuron(X)
        Q, K, V = neuron(BN(Conv2d(S)))
        Y = BN(Conv2d(Q * neuron(sum over places of K * V))) + X    for each head, threshold 0.5

    Input and output are ``[T, B, C, H, W]`` with ``C = dim``, multi-step only.

    Arguments and errors are those of `SpikingSelfAttention`.

    Paper: Yao et al., "Spike-driven Transformer", NeurIPS 2023.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        spiking_neuron: MakeNeuron | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, num_heads, spiking_neuron, kwargs)
        self.shortcut_lif = self._neuron()
        for name in ("q", "k", "v"):
            self.add_module(f"{name}_conv", Conv2d(dim, dim, 1, bias=False, step_mode="m"))
            self.add_module(f"{name}_bn", BatchNorm2d(dim, step_mode="m"))
            self.add_module(f"{name}_lif", self._neuron())
        self.attn_lif = self._neuron(v_threshold=0.5)
        self.proj_conv = Conv2d(dim, dim, 1, step_mode="m")
        self.proj_bn = BatchNorm2d(dim, step_mode="m")

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole sequence ``[T, B, C, H, W]``."""
        self._check(x, "H, W")
        spikes = self.shortcut_lif(x)
        q, k, v = (self._branch(name, spikes) for name in ("q", "k", "v"))
        mask = (k * v).sum(-1).view(*x.shape[:2], self.num_heads, 1, self.head_dim)
        y = q * self.attn_lif(mask).flatten(2).unsqueeze(-1)
        out: Tensor = self.proj_bn(self.proj_conv(y.reshape(x.shape))) + x
        return out

    def _branch(self, name: str, spikes: Tensor) -> Tensor:
        """Return spikes of the queries, keys or values, ``[T, B, C, H * W]``."""
        conv, norm, node = (getattr(self, f"{name}_{part}") for part in ("conv", "bn", "lif"))
        y: Tensor = node(norm(conv(spikes)))
        return y.flatten(3)
