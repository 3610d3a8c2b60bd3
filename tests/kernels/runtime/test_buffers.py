"""Whoever makes memory in the engine says on which device."""

import ast
from pathlib import Path

import pytest

import bitspike

SRC = Path(bitspike.__file__).parent
FACTORIES = {
    "empty",
    "zeros",
    "ones",
    "full",
    "tensor",
    "arange",
    "rand",
    "randn",
    "randint",
    "linspace",
    "eye",
}
FILES = sorted(
    path for name in ("kernels", "spikes", "base") for path in (SRC / name).rglob("*.py")
)


def without_device(source: str) -> list[str]:
    """Calls of torch's factories that leave the device to ``torch.set_default_device``."""
    return [
        ast.unparse(call)
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr in FACTORIES) == ("torch", True)
        and not any(keyword.arg == "device" for keyword in call.keywords)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_every_buffer_names_its_device(path: Path) -> None:
    assert without_device(path.read_text()) == []


def test_the_search_finds_what_it_looks_for() -> None:
    assert without_device("x = torch.empty(3)\ny = torch.empty(3, device=d)") == ["torch.empty(3)"]
    assert len(FILES) > 40
