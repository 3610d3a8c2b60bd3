"""Torch's functions of symbols: the operations that each puts into the program.

A handler takes the arguments of torch's function, and those alone of which it makes what torch
makes of them, to the bit: anything else is refused. Values have the input's dtype or are truths;
where torch would compute in another dtype, such as integers for a sum of two truths, the handler
refuses as well.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.scan.record.program import COMPARISONS, Program, Symbol


def _is_truth(program: Program, value: Any) -> bool:
    return type(value) is Symbol and program.is_logical(value.place)


def _numbers(program: Program, *values: Any) -> list[int]:
    """Return the nodes of the operands as numbers, if torch computes in the input's dtype."""
    has_numbers, places = False, []
    for value in values:
        place = program.place_of(value)
        if type(value) is Symbol:
            number = program.number(place)
            has_numbers |= number == place
            place = number
        places.append(place)
    if not has_numbers:
        _check_promotion(program, values)
    return places


def _check_promotion(program: Program, values: tuple[Any, ...]) -> None:
    """Refuse truths, numbers and tensors that torch would bring together in another dtype."""
    kinds = {value.dtype for value in values if isinstance(value, Tensor)}
    if not kinds and any(isinstance(value, float) for value in values):
        kinds = {torch.get_default_dtype()}
    if kinds != {program.dtype}:
        program.refuse(f"it computes with truths, a tensor of torch.bool, not in {program.dtype}")


def _number(program: Program, value: Any) -> Symbol:
    """Return the operand of a function that gives numbers of its operand's dtype."""
    if _is_truth(program, value):
        program.refuse("it computes with truths, a tensor of torch.bool")
    return program.lift(value)


def _unary(operation: str) -> Callable[..., Any]:
    return lambda program, input: program.apply(operation, _number(program, input))  # noqa: A006


def _binary(operation: str) -> Callable[..., Any]:
    def binary(program: Program, input: Any, other: Any, *, alpha: Any = 1) -> Any:  # noqa: A002
        if alpha != 1:  # torch multiplies and adds with one rounding
            program.refuse(f"it calls {operation}() with an alpha")
        return program.put(operation, *_numbers(program, input, other))

    return binary


def _subtract(program: Program, input: Any, other: Any, *, alpha: Any = 1) -> Any:  # noqa: A002
    if _is_truth(program, input) or _is_truth(program, other):
        program.refuse("it subtracts truths, which torch does not")
    return _binary("sub")(program, input, other, alpha=alpha)


def _extremum(operation: str) -> Callable[..., Any]:
    return lambda program, input, other: program.put(  # noqa: A006
        operation, *_numbers(program, input, other)
    )


def _compare(operation: str) -> Callable[..., Any]:
    def compare(program: Program, input: Any, other: Any) -> Any:  # noqa: A002
        if all(isinstance(value, int) or _is_truth(program, value) for value in (input, other)):
            places = [program.number(program.place_of(value)) for value in (input, other)]
        else:
            places = _numbers(program, input, other)
        return program.put(operation, *places)

    return compare


def _swapped(handler: Callable[..., Any]) -> Callable[..., Any]:
    return lambda program, input, other, **more: handler(program, other, input, **more)  # noqa: A006


def _divide(program: Program, input: Any, other: Any) -> Any:  # noqa: A002
    """Divide; by a power of two as the product with its reciprocal, which gives the same bits.

    A division costs several times as much, and the most common time constant is 2.
    """
    a, b = input, other
    if isinstance(b, float):
        fraction, exponent = math.frexp(b)
        if abs(fraction) == 0.5 and abs(exponent) < 126:
            return program.put("mul", *_numbers(program, a, 1.0 / b))
    return program.put("div", *_numbers(program, a, b))


def _divided(program: Program, input: Any, other: Any) -> Any:  # noqa: A002
    """Divide a number, which torch does by the reciprocal of the divisor."""
    inverse = program.put("div", program.place_of(1), *_numbers(program, input))
    return inverse if other == 1 else inverse * other


def _power(program: Program, input: Any, exponent: Any) -> Any:  # noqa: A002
    a, b = map(program.symbol, _numbers(program, input, exponent))
    if type(input) is not Symbol or not isinstance(exponent, int | float):
        return program.apply("pow", a, b)
    if exponent == -0.5:  # torch has the value of one function and the gradient of another
        program.refuse("it raises to the power of -0.5 and not by rsqrt()")
    special = {  # torch's own cases
        0: lambda: program.lift(1),
        1: lambda: a,
        2: lambda: a * a,
        3: lambda: a * a * a,
        0.5: lambda: program.apply("sqrt", a),
        -1: lambda: program.apply("div", 1, a),
    }
    own_case = special.get(exponent)
    return program.apply("pow", a, b) if own_case is None else own_case()


def _truth(program: Program, value: Any) -> Symbol:
    symbol = program.lift(value)
    return symbol if program.is_logical(symbol.place) else program.apply("ne", symbol, 0)


def _logical(operation: str) -> Callable[..., Any]:
    def logical(program: Program, *values: Any) -> Any:
        if len(values) != (1 if operation == "not" else 2):
            raise TypeError
        if any(isinstance(value, int | float) for value in values):
            program.refuse("it takes the logical value of a Python number")
        return program.apply(operation, *(_truth(program, value) for value in values))

    return logical


def _bitwise(operation: str) -> Callable[..., Any]:
    def bitwise(program: Program, *values: Any) -> Any:
        if not all(isinstance(value, bool) or _is_truth(program, value) for value in values):
            program.refuse("it takes the bits of numbers")
        return program.apply(operation, *(_truth(program, value) for value in values))

    return bitwise


def _where(program: Program, condition: Any, input: Any, other: Any) -> Any:  # noqa: A002
    if not _is_truth(program, condition):
        program.refuse("it calls where() with a condition that is none of its own")
    return program.put("where", condition.place, *_numbers(program, input, other))


def _clamp(program: Program, input: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    low = -math.inf if min is None else min
    high = math.inf if max is None else max
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        program.refuse("it clamps to bounds that are tensors")
    if min is max is None or not low <= high:
        program.refuse(f"it clamps to {min} and {max}")
    return program.apply("clamp", _number(program, input), low, high)


def _sign(program: Program, input: Any) -> Any:  # noqa: A002
    a = _number(program, input)
    return program.apply("where", a > 0, 1, program.apply("where", a < 0, -1, 0))


def _relu(program: Program, input: Any, inplace: bool = False) -> Any:  # noqa: A002
    if inplace:
        program.refuse("it calls relu() in place")
    a = _number(program, input)
    return program.apply("where", a <= 0, 0, a)  # NaN stays NaN


def _detach(program: Program, input: Any) -> Any:  # noqa: A002
    return input if _is_truth(program, input) else program.apply("detach", input)


def _same(program: Program, input: Any) -> Any:  # noqa: A002, ARG001
    return input


def _like(value: int) -> Callable[..., Any]:
    def like(program: Program, input: Any, *, dtype: Any = None) -> Any:  # noqa: A002
        if dtype not in (None, program.dtype) or (dtype is None and _is_truth(program, input)):
            program.refuse("it makes a tensor of another dtype than its input's")
        return program.lift(value)

    return like


def _cast(program: Program, value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype)
    if dtype is torch.bool:
        return _truth(program, value)
    if dtype is not program.dtype:
        program.refuse(f"it converts to {dtype}, the input is {program.dtype}")
    return program.symbol(program.number(value.place))


def _to(program: Program, input: Any, *target: Any, **named: Any) -> Any:  # noqa: A002
    """Record ``input.to(dtype)``, ``.to(other)`` or ``.to(device)``."""
    targets = (*target, *named.values())
    if len(targets) != 1 or not {"dtype", "other", "device"}.issuperset(named):
        raise TypeError
    other = targets[0]
    if isinstance(other, torch.dtype):
        return _cast(program, input, other)
    device = other.device if isinstance(other, Tensor | Symbol) else torch.device(other)
    if device != program.device or input.device != program.device:
        program.refuse(f"it moves values to {device}")
    return _cast(program, input, other.dtype) if isinstance(other, Tensor | Symbol) else input


def _as(dtype: torch.dtype) -> Callable[..., Any]:
    return lambda program, input: _cast(program, input, dtype)  # noqa: A006


_HANDLERS: dict[str, Callable[..., Any]] = {
    "detach": _detach,
    "pow": _power,
    "rpow": _swapped(_power),
    "where": _where,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": lambda program, input, min: _clamp(program, input, min),  # noqa: A006
    "clamp_max": lambda program, input, max: _clamp(program, input, None, max),  # noqa: A006
    "sign": _sign,
    "relu": _relu,
    "square": lambda program, input: _power(program, input, 2),  # noqa: A006
    "reciprocal": lambda program, input: program.apply("div", 1, _number(program, input)),  # noqa: A006
    "sub": _subtract,
    "subtract": _subtract,
    "rsub": _swapped(_subtract),
    "zeros_like": _like(0),
    "ones_like": _like(1),
    "to": _to,
    "type_as": lambda program, input, other: _to(program, input, other),  # noqa: A006
    "bool": _as(torch.bool),
    "float": _as(torch.float32),
    "double": _as(torch.float64),
    **dict.fromkeys(("clone", "contiguous", "pos", "positive"), _same),
    **{name: _unary(name) for name in ("exp", "log", "sqrt", "rsqrt", "sin", "cos", "tanh")},
    **{
        name: _unary(name)
        for name in ("sigmoid", "atan", "erf", "erfc", "abs", "floor", "round", "neg")
    },
    **{name: _compare(name) for name in COMPARISONS},
    **{name: _extremum(name) for name in ("maximum", "minimum", "mul")},
    **dict.fromkeys(("add", "radd"), _binary("add")),
    **dict.fromkeys(("multiply", "rmul"), _extremum("mul")),
    **dict.fromkeys(("div", "divide", "truediv", "true_divide"), _divide),
    **dict.fromkeys(("rdiv", "rtruediv"), _divided),
    **{f"logical_{name}": _logical(name) for name in ("and", "or", "not")},
    **{f"bitwise_{name}": _bitwise(name) for name in ("and", "or", "not")},
    **{name: _bitwise(name) for name in ("and", "or")},
    "invert": _bitwise("not"),
}
Symbol.handlers.update(_HANDLERS)


def _install(name: str) -> None:
    handler = _HANDLERS[name]

    def method(self: Symbol, *args: Any) -> Any:
        return handler(self.program, self, *args)

    setattr(Symbol, f"__{name}__", method)


def _refuse_in_place(name: str) -> None:
    def method(self: Symbol, _: Any) -> Any:
        self.program.refuse(f"it writes into a tensor by {name}; write v = v + x for v += x")

    setattr(Symbol, f"__i{name}__", method)


for _name in ("add", "sub", "mul", "truediv", "pow", "neg", "pos", "abs", "and", "or", "invert"):
    _install(_name)
for _name in ("radd", "rsub", "rmul", "rtruediv", "rpow", *COMPARISONS):
    _install(_name)
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    _refuse_in_place(_name)
