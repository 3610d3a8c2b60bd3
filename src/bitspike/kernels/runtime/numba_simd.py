"""Small fixed-width vectors for Numba kernels, as portable LLVM vector values.

LLVM maps them to whatever the processor has (AVX2, AVX-512, NEON, ...). Three types:
``F16`` is 16 float32, ``U4`` and ``U8`` are 4 and 8 uint64. Arrays must be one-dimensional and
contiguous; a position counts elements. All lanes must lie in the array, which is checked only where
Numba checks bounds, see `CHECKED`.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic, models, register_model


class Vector(types.Type):
    """Numba's type of ``lanes`` values of one LLVM element type."""

    def __init__(self, name: str, element: types.Type, llvm: ir.Type, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        self.llvm = ir.VectorType(llvm, lanes)
        super().__init__(name=name)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.llvm)


F16 = Vector("F16", types.float32, ir.FloatType(), 16)
U4 = Vector("U4", types.uint64, ir.IntType(64), 4)
U8 = Vector("U8", types.uint64, ir.IntType(64), 8)


CHECKED = bool(config.BOUNDSCHECK)  # type: ignore[attr-defined]
"""True lets kernels check every index: ``NUMBA_BOUNDSCHECK=1``, as ``make bounds`` sets it."""


def _check_bounds(context: Any, builder: Any, length: Any, position: Any, vector: Vector) -> None:
    """Raise IndexError in a kernel unless all lanes from ``position`` on lie in the array."""
    last = builder.sub(length, ir.Constant(length.type, vector.lanes))
    # As an unsigned number, a negative position is a large one.
    short = builder.icmp_signed("<", last, ir.Constant(length.type, 0))
    beyond = builder.icmp_unsigned(">", position, last)
    with builder.if_then(builder.or_(short, beyond), likely=False):
        message = f"{vector.name} reaches beyond its array"
        context.call_conv.return_user_exc(builder, IndexError, (message,))


def _address(context: Any, builder: Any, signature: Any, args: Any, vector: Vector) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    if CHECKED:
        (length,) = cgutils.unpack_tuple(builder, array.shape, 1)
        _check_bounds(context, builder, length, args[1], vector)
    element = builder.gep(array.data, [args[1]], inbounds=True)
    return builder.bitcast(element, vector.llvm.as_pointer())


def _align(vector: Vector) -> int:
    return int(vector.element.bitwidth) // 8  # type: ignore[attr-defined]


def _make_load(vector: Vector) -> Callable[..., Any]:
    @intrinsic
    def load(typing_context: Any, array: Any, position: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.load(_address(context, builder, signature, args, vector))
            value.align = _align(vector)
            return value

        return vector(array, types.int64), generate

    return load


def _make_store(vector: Vector) -> Callable[..., Any]:
    @intrinsic
    def store(typing_context: Any, array: Any, position: Any, value: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            address = _address(context, builder, signature, args, vector)
            builder.store(args[2], address).align = _align(vector)
            return context.get_dummy_value()

        return types.void(array, types.int64, vector), generate

    return store


def _make_splat(vector: Vector) -> Callable[..., Any]:
    @intrinsic
    def splat(typing_context: Any, value: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            nothing = ir.Constant(vector.llvm, ir.Undefined)
            first = builder.insert_element(nothing, args[0], ir.Constant(ir.IntType(32), 0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.lanes), [0] * vector.lanes)
            return builder.shuffle_vector(first, nothing, lanes)

        return vector(vector.element), generate

    return splat


load16, store16, splat16 = _make_load(F16), _make_store(F16), _make_splat(F16)
load4, store4 = _make_load(U4), _make_store(U4)
load8, store8, splat8 = _make_load(U8), _make_store(U8), _make_splat(U8)


@njit(inline="always")
def empty16(size: Any) -> Any:
    """``size`` float32, of which every 16 lie in one line of the cache."""
    whole = np.empty(size + 16, np.float32)
    return whole[(-(whole.ctypes.data // 4)) & 15 :]


def _make_binary(operation: str) -> Callable[..., Any]:
    @intrinsic
    def binary(typing_context: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            return getattr(builder, operation)(args[0], args[1])

        return a(a, b), generate

    return binary


add_float, subtract_float = _make_binary("fadd"), _make_binary("fsub")
multiply_float = _make_binary("fmul")
add, multiply = _make_binary("add"), _make_binary("mul")
bit_xor = _make_binary("xor")


@intrinsic(prefer_literal=True)
def shift_right(typing_context: Any, a: Any, count: Any) -> Any:  # noqa: ARG001
    """Shift each lane by ``count`` bits, with zeros from above."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.lshr(args[0], ir.Constant(a.llvm, [count.literal_value] * a.lanes))

    return a(a, count), generate


def _make_byte_mask(comparison: str) -> Callable[..., Any]:
    @intrinsic
    def mask(typing_context: Any, a: Any, byte: Any) -> Any:  # noqa: ARG001
        count = 8 * a.lanes
        octets = ir.VectorType(ir.IntType(8), count)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            nothing = ir.Constant(octets, ir.Undefined)
            low = builder.trunc(args[1], ir.IntType(8))
            first = builder.insert_element(nothing, low, ir.Constant(ir.IntType(32), 0))
            places = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
            repeated = builder.shuffle_vector(first, nothing, places)
            bits = builder.icmp_unsigned(comparison, builder.bitcast(args[0], octets), repeated)
            return builder.bitcast(bits, ir.IntType(count))

        return types.uint64(a, types.uint64), generate

    return mask


# One bit for each of the 64 bytes of a U8, the lowest byte of lane 0 lowest.
mask_bytes_below, mask_bytes_equal = _make_byte_mask("<"), _make_byte_mask("==")


@intrinsic(prefer_literal=True)
def exchange(typing_context: Any, words: Any, mask: Any, by: Any) -> Any:  # noqa: ARG001
    """Exchange the bits under ``mask`` of each lane with those ``by`` places above them."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        under = ir.Constant(words.llvm, [mask.literal_value] * words.lanes)
        places = ir.Constant(words.llvm, [by.literal_value] * words.lanes)
        above = builder.lshr(args[0], places)
        swap = builder.and_(builder.xor(args[0], above), under)
        return builder.xor(builder.xor(args[0], swap), builder.shl(swap, places))

    return words(words, mask, by), generate


def _make_gather(vector: Vector, bits: int) -> Callable[..., Any]:
    parts = 64 // bits
    pieces = ir.VectorType(ir.IntType(bits), parts * vector.lanes)
    order = [parts * lane + part for part in range(parts) for lane in range(vector.lanes)]

    @intrinsic
    def gather(typing_context: Any, a: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            value = builder.bitcast(args[0], pieces)
            places = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
            turned = builder.shuffle_vector(value, ir.Constant(pieces, ir.Undefined), places)
            return builder.bitcast(turned, a.llvm)

        return a(a), generate

    return gather


# Lane j of the result holds the parts j of all lanes, in their order.
gather_quarters, gather_bytes = _make_gather(U4, 16), _make_gather(U8, 8)


@intrinsic
def mask_at_least(typing_context: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """One bit a lane, lane 0 lowest: whether ``a >= b`` (False for NaN)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        mask = builder.fcmp_ordered(">=", args[0], args[1])
        bits = builder.bitcast(mask, ir.IntType(a.lanes))
        return builder.zext(bits, ir.IntType(64))

    return types.uint64(a, b), generate


@intrinsic
def mask_not_zero(typing_context: Any, a: Any) -> Any:  # noqa: ARG001
    """One bit a lane, lane 0 lowest: whether ``a != 0`` (True for NaN)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        mask = builder.fcmp_unordered("!=", args[0], ir.Constant(a.llvm, [0.0] * a.lanes))
        bits = builder.bitcast(mask, ir.IntType(a.lanes))
        return builder.zext(bits, ir.IntType(64))

    return types.uint64(a), generate


@intrinsic
def keep(typing_context: Any, bits: Any, a: Any) -> Any:  # noqa: ARG001
    """Return the lanes of ``a`` whose bit is set, lane 0 lowest; zero in the others."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        low = builder.trunc(args[0], ir.IntType(a.lanes))
        mask = builder.bitcast(low, ir.VectorType(ir.IntType(1), a.lanes))
        return builder.select(mask, args[1], ir.Constant(a.llvm, [0.0] * a.lanes))

    return a(types.uint64, a), generate


@intrinsic
def fetch(typing_context: Any, array: Any, position: Any) -> Any:  # noqa: ARG001
    """Ask for the line of the cache in which an element lies, to be read soon."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = context.make_array(signature.args[0])(context, builder, args[0])
        number, octet = ir.IntType(32), ir.IntType(8).as_pointer()
        address = builder.bitcast(builder.gep(memory.data, [args[1]], inbounds=True), octet)
        kind = ir.FunctionType(ir.VoidType(), [octet, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(function, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _bit_count(name: str, extra: list[Any]) -> Callable[..., Any]:
    @intrinsic
    def count(typing_context: Any, x: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
            word = ir.IntType(64)
            kind = ir.FunctionType(word, [word, *(value.type for value in extra)])
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, [args[0], *extra])

        return types.int64(types.uint64), generate

    return count


trailing_zeros = _bit_count("llvm.cttz.i64", [ir.Constant(ir.IntType(1), 1)])
popcount = _bit_count("llvm.ctpop.i64", [])
