"""The library's face: what a user sees of it after ``import bitspike``."""

import ast
import inspect
import pkgutil
from pathlib import Path

import pytest
from tests.processes import fresh

import bitspike

SUBPACKAGES = {
    module.name
    for module in pkgutil.iter_modules(bitspike.__path__)
    if not module.name.startswith("_")
}


def in_fresh_interpreter(program: str) -> str:
    done = fresh(program)
    assert done.code == 0, done.err
    return done.out.strip()


def test_every_subpackage_is_an_attribute() -> None:
    assert {"kernels", "layer", "models", "neuron", "training"} < SUBPACKAGES
    assert {name for name in dir(bitspike) if not name.startswith("_")} == SUBPACKAGES | {"health"}
    for name in SUBPACKAGES:
        assert inspect.ismodule(getattr(bitspike, name))


def test_a_type_checker_sees_every_subpackage() -> None:
    source = Path(bitspike.__file__).read_text(encoding="utf-8")
    for_types = next(node for node in ast.parse(source).body if isinstance(node, ast.If))
    explicit = {  # `from bitspike import base as base`
        alias.name
        for node in ast.walk(for_types)
        if isinstance(node, ast.ImportFrom) and node.module == "bitspike"
        for alias in node.names
        if alias.asname == alias.name
    }
    assert explicit == SUBPACKAGES


def test_importing_bitspike_imports_nothing() -> None:
    """`bitspike --help` needs no torch; a subpackage comes when it is asked for."""
    program = (
        "import sys, bitspike; dir(bitspike); "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('bitspike', 'numpy', 'torch')))"
    )
    assert in_fresh_interpreter(program) == "['bitspike', 'bitspike._version']"
    program = "import bitspike; print(bitspike.models.spiking_resnet18.__name__)"
    assert in_fresh_interpreter(program) == "spiking_resnet18"


def test_health_is_a_function() -> None:
    assert inspect.isfunction(bitspike.health)
    parameters = inspect.signature(bitspike.health).parameters
    assert list(parameters) == ["net", "x", "target", "loss", "kinds"]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'bitspike' has no attribute 'wealth'"):
        bitspike.wealth  # type: ignore[attr-defined]  # noqa: B018
