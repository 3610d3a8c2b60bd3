"""Each equation by hand."""

from typing import Any

import pytest

from bitspike import dynamics


@pytest.mark.parametrize(
    ("equation", "arguments", "expected"),
    [
        (dynamics.if_charge, (0.25, 0.5), 0.75),
        (dynamics.lif_charge, (1.0, 0.5, 4.0, True, 0.0), 0.625),  # 0.5 + (1 - 0.5) / 4
        (dynamics.lif_charge, (1.0, 0.5, 4.0, True, -0.5), 0.5),  # 0.5 + (1 - 1) / 4
        (dynamics.lif_charge, (1.0, 0.5, 4.0, False, 0.0), 1.375),  # 0.5 - 0.5 / 4 + 1
        (dynamics.lif_charge, (1.0, 0.5, 4.0, False, -0.5), 1.25),  # 0.5 - 1 / 4 + 1
        (dynamics.plif_charge, (1.0, 0.5, 0.25, True, 0.0), 0.625),
        (dynamics.plif_charge, (1.0, 0.5, 0.25, True, -0.5), 0.5),
        (dynamics.plif_charge, (1.0, 0.5, 0.25, False, 0.0), 1.375),
        (dynamics.plif_charge, (1.0, 0.5, 0.25, False, -0.5), 1.25),
        (dynamics.hard_reset, (1.25, 1.0, -0.5), -0.5),
        (dynamics.hard_reset, (0.75, 0.0, -0.5), 0.75),
        (dynamics.soft_reset, (1.25, 1.0, 0.5), 0.75),
        (dynamics.soft_reset, (0.75, 0.0, 0.5), 0.75),
    ],
)
def test_by_hand(equation: Any, arguments: tuple[Any, ...], expected: float) -> None:
    assert equation(*arguments) == expected
