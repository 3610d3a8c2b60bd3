"""Kernels that take memory by its address: a number costs a tenth of what an array costs."""

import inspect
from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic

Arrays = Mapping[str, tuple[Any, int]]
"""Element type and number of axes of the array arguments of a kernel, by their names."""


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.voidptr(address), generate


@njit(inline="always")
def array_at(address: Any, shape: Any, dtype: Any) -> Any:
    """The values that lie there, as an array that does not keep them alive."""
    return carray(_pointer(address), shape, dtype)


def entry(template: Any, kernel: Any, name: str, arrays: Arrays) -> FunctionType:
    """A function that calls ``kernel`` with the ``arrays`` made of their addresses and shapes.

    Each of them stands in its arguments as an address and the lengths of its axes. Arrays that
    Numba sees a parallel kernel make, instead of take, would be lost on its optimiser, which
    removes what writes into them.
    """
    given, taken = [], []
    for argument in inspect.signature(template).parameters:
        if argument not in arrays:
            given.append(argument)
            taken.append(argument)
            continue
        lengths = [f"{argument}_length{axis}" for axis in range(arrays[argument][1])]
        given += [argument, *lengths]
        taken.append(f"array_at({argument}, ({', '.join(lengths)},), type_of_{argument})")
    text = f"def entry_{name}({', '.join(given)}):\n    return kernel({', '.join(taken)})\n"
    # Under the name of the template's file: Numba keeps its cache beside the file of a function.
    module = compile(text, template.__code__.co_filename, "exec")
    code = next(one for one in module.co_consts if isinstance(one, CodeType))
    types_of = {f"type_of_{argument}": kind for argument, (kind, _) in arrays.items()}
    names = {"kernel": kernel, "array_at": array_at, "__name__": template.__module__, **types_of}
    return FunctionType(code, names)
