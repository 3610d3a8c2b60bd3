"""What a charge equation has to say about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Equation = Callable[[Any, Any, Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge equation ``h(v, x, p, v_rest)`` with its partial derivatives.

    All four functions take the same arguments: the membrane potential ``v`` after the last
    step, the input ``x``, the leak parameter ``p`` (what it means is the equation's affair;
    one without a leak ignores it) and the potential ``v_rest`` that the membrane leaks to.
    """

    name: str
    h: Equation
    dh_dv: Equation
    dh_dx: Equation
    dh_dp: Equation
