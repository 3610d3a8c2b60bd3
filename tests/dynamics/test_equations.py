"""Each equation by hand, and each partial derivative against autograd."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.dynamics import Charge, Reset

CHARGES = {name: charge for name, charge in vars(dynamics).items() if isinstance(charge, Charge)}
RESETS = {name: reset for name, reset in vars(dynamics).items() if isinstance(reset, Reset)}


def test_every_equation_is_public() -> None:
    assert CHARGES.keys() | RESETS.keys() == {name for name in dynamics.__all__ if name.isupper()}
    for name, equation in (CHARGES | RESETS).items():
        assert equation.name == name.lower(), "compiled kernels are told apart by it"
    assert len(CHARGES) == 5
    assert len(RESETS) == 2


@pytest.mark.parametrize(
    ("charge", "v", "x", "p", "v_rest", "h"),
    [
        (dynamics.INTEGRATE, 0.5, 0.25, 9.0, 9.0, 0.75),  # 0.5 + 0.25
        (dynamics.LEAK_DECAY_INPUT, 0.5, 1.0, 4.0, 0.0, 0.625),  # 0.5 + (1 - 0.5) / 4
        (dynamics.LEAK_DECAY_INPUT, 0.5, 1.0, 4.0, -0.5, 0.5),  # 0.5 + (1 - 1) / 4
        (dynamics.LEAK, 0.5, 1.0, 4.0, 0.0, 1.375),  # 0.5 - 0.5 / 4 + 1
        (dynamics.LEAK, 0.5, 1.0, 4.0, -0.5, 1.25),  # 0.5 - 1 / 4 + 1
        (dynamics.LEAK_RATE_DECAY_INPUT, 0.5, 1.0, 0.25, 0.0, 0.625),
        (dynamics.LEAK_RATE_DECAY_INPUT, 0.5, 1.0, 0.25, -0.5, 0.5),
        (dynamics.LEAK_RATE, 0.5, 1.0, 0.25, 0.0, 1.375),
        (dynamics.LEAK_RATE, 0.5, 1.0, 0.25, -0.5, 1.25),
    ],
)
def test_charge(charge: Charge, v: float, x: float, p: float, v_rest: float, h: float) -> None:
    assert charge.h(v, x, p, v_rest) == h
    assert charge.h(torch.tensor([v]), torch.tensor([x]), p, v_rest).item() == h


@pytest.mark.parametrize("argument", ["v", "x", "p"])
@pytest.mark.parametrize("name", CHARGES)
def test_partial_derivative_is_autograd_s(name: str, argument: str) -> None:
    charge = CHARGES[name]
    grid = torch.tensor(
        list(product((-1.7, 0.0, 0.3, 2.0), (-0.9, 0.0, 1.1), (0.2, 0.7, 1.5, 30.0), (-0.4, 0.0))),
        dtype=torch.float64,
    )
    v, x, p, v_rest = (column.clone() for column in grid.unbind(1))
    variable = {"v": v, "x": x, "p": p}[argument].requires_grad_()
    h: Tensor = charge.h(v, x, p, v_rest)
    assert_derivative(getattr(charge, f"dh_d{argument}")(v, x, p, v_rest), h, variable)


@pytest.mark.parametrize("argument", ["h", "s"])
@pytest.mark.parametrize("name", RESETS)
def test_partial_derivative_of_reset_is_autograd_s(name: str, argument: str) -> None:
    reset = RESETS[name]
    grid = torch.tensor(
        list(product((-1.7, 0.0, 1.0, 2.3), (0.0, 0.3, 1.0), (-0.5, 0.0, 1.0))),
        dtype=torch.float64,
    )
    h, s, q = (column.clone() for column in grid.unbind(1))
    variable = {"h": h, "s": s}[argument].requires_grad_()
    v: Tensor = reset.v(h, s, q)
    assert_derivative(getattr(reset, f"dv_d{argument}")(h, s, q), v, variable)


def assert_derivative(partial: Any, y: Tensor, variable: Tensor) -> None:
    """``partial`` is ``dy / dvariable``, element by element."""
    expected = torch.zeros_like(y)
    if y.requires_grad:  # else it does not depend on the variable
        (expected,) = torch.autograd.grad(y.sum(), variable)
    actual = torch.as_tensor(partial).detach().expand_as(y)
    torch.testing.assert_close(actual, expected, rtol=1e-13, atol=1e-13, check_dtype=False)


@pytest.mark.parametrize(
    ("reset", "h", "s", "q", "v"),
    [
        (dynamics.HARD, 1.25, 1.0, -0.5, -0.5),
        (dynamics.HARD, 0.75, 0.0, -0.5, 0.75),
        (dynamics.SOFT, 1.25, 1.0, 0.5, 0.75),
        (dynamics.SOFT, 0.75, 0.0, 0.5, 0.75),
    ],
)
def test_reset(reset: Reset, h: float, s: float, q: float, v: float) -> None:
    assert reset.v(h, s, q) == v
    assert reset.v(torch.tensor([h]), torch.tensor([s]), q).item() == v
