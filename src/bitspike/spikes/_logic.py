"""Comparisons and logic of spikes, word by word."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike.spikes._layouts import Permuted, Rows
from bitspike.spikes._tensor import SpikeTensor, register
from bitspike.spikes._views import stored, with_words
from bitspike.spikes._words import WORD, unpack_bits

aten = torch.ops.aten

# -- with a number ------------------------------------------------------------------------------


def _as_bool(s: SpikeTensor) -> Tensor:
    rows = s.bits.rows()
    return unpack_bits(rows.words, rows.size, torch.bool).reshape(s.shape)


def _comparison(compare: Callable[[float, Any], bool]) -> Callable[[SpikeTensor, Any], Tensor]:
    def handler(s: SpikeTensor, other: Any) -> Tensor:
        of_zero, of_one = bool(compare(0.0, other)), bool(compare(1.0, other))
        if of_zero == of_one:
            return torch.full(s.shape, of_zero, dtype=torch.bool, device=s.device)
        bits = _as_bool(s)
        return bits if of_one else ~bits

    return handler


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    register(getattr(aten, _name).Scalar)(_comparison(getattr(operator, _name)))


@register(aten.logical_not.default)
def _logical_not(s: SpikeTensor) -> Tensor:
    return ~_as_bool(s)


@register(aten.rsub.Scalar)
def _one_minus(s: SpikeTensor, other: Any, alpha: Any = 1) -> Any:
    if other != 1 or alpha != 1 or s.numel() == 0:
        return NotImplemented
    rows = stored(s)
    words = ~rows.words
    if rows.size % WORD:  # what lies beyond the last feature stays zero
        words[..., -1] &= (1 << rows.size % WORD) - 1
    return with_words(s, words)


# -- of two spike tensors -----------------------------------------------------------------------


def _alike(a: Any, b: Any) -> tuple[Rows, Rows] | None:
    """Return the rows of both, stored alike; None if only dense tensors go together."""
    if not (isinstance(a, SpikeTensor) and isinstance(b, SpikeTensor)):
        return None
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return None
    x, y = a.bits, b.bits
    if isinstance(x, Permuted) and isinstance(y, Permuted) and x.order == y.order:
        rows = x.base, y.base
    else:
        rows = x.rows(), y.rows()
    return rows if rows[0].features == rows[1].features else None


def _pairwise(combine: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Any], Any]:
    def handler(a: Any, b: Any) -> Any:
        rows = _alike(a, b)
        if rows is None:
            return NotImplemented
        words = combine(rows[0].words, rows[1].words)
        own = stored(a)
        return (
            with_words(a, words)
            if rows[0] is own
            else SpikeTensor.of(Rows(words, rows[0].features), a)
        )

    return handler


register(aten.mul.Tensor, aten.minimum.default)(_pairwise(torch.bitwise_and))
register(aten.maximum.default)(_pairwise(torch.bitwise_or))


def _logical(combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def handler(a: Any, b: Any) -> Any:
        result = combine(a, b)
        return result if result is NotImplemented else _as_bool(result)

    return handler


register(aten.logical_and.default)(_logical(_pairwise(torch.bitwise_and)))
register(aten.logical_or.default)(_logical(_pairwise(torch.bitwise_or)))
_different = _logical(_pairwise(torch.bitwise_xor))
register(aten.logical_xor.default, aten.ne.Tensor)(_different)


@register(aten.eq.Tensor)
def _same(a: Any, b: Any) -> Any:
    different = _different(a, b)
    return different if different is NotImplemented else ~different


@register(aten.equal.default)
def _all_the_same(a: Any, b: Any) -> Any:
    rows = _alike(a, b)
    return NotImplemented if rows is None else torch.equal(rows[0].words, rows[1].words)
