"""Linear layers on words of spikes as operators, with gradients for weight and bias."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.linear import weight_gradient
from bitspike.kernels.runtime.operator import operator
from bitspike.spikes import Rows, SpikeTensor


def _linear(words: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    spikes = SpikeTensor(Rows(words, (weight.shape[1],)), weight.dtype)
    return F.linear(spikes, weight, bias)


def _fake_linear(words: Tensor, weight: Tensor, _: Tensor | None) -> Tensor:
    return weight.new_empty((*words.shape[:-1], len(weight)))


def _weight_gradient(words: Tensor, grad: Tensor, features: int) -> Tensor:
    return weight_gradient(SpikeTensor(Rows(words, (features,)), grad.dtype), grad)


def _fake_weight_gradient(_: Tensor, grad: Tensor, features: int) -> Tensor:
    return grad.new_empty((grad.shape[-1], features))


linear = operator(_linear, _fake_linear, "linear")
linear_weight_gradient = operator(
    _weight_gradient, _fake_weight_gradient, "linear_weight_gradient", differentiable=False
)
