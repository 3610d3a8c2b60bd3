"""`functional` is a face: it has no code of its own, and each name is public where it lives."""

from pathlib import Path

import pytest

from bitspike import base, dynamics, functional, layer, learning, loss, memory, neuron, spikes

HOMES = (base, dynamics, layer, learning, loss, memory, neuron, spikes)


@pytest.mark.parametrize("name", functional.__all__)
def test_name_is_public_in_its_home(name: str) -> None:
    value = getattr(functional, name)
    assert not value.__module__.startswith("bitspike.functional")
    assert any(name in home.__all__ and getattr(home, name) is value for home in HOMES)


def test_package_is_one_file() -> None:
    assert functional.__file__ is not None
    assert [p.name for p in Path(functional.__file__).parent.glob("*.py")] == ["__init__.py"]
