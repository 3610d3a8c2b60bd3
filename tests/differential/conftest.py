"""The peer: SpikingJelly 2.0.0, installed for these tests only."""

import importlib
import os
from importlib.metadata import version
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

MODULES = (
    "base",
    "encoding",
    "functional",
    "layer",
    "learning",
    "monitor",
    "neuron",
    "rnn",
    "surrogate",
)
LAST = "test_every_name_is_compared"

used: dict[str, set[str]] = {}
"""Names of the peer that tests have taken, such as ``neuron.LIFNode``, and by which tests."""


class Watched(ModuleType):
    """A module of the peer that notes what is taken from it."""

    def __init__(self, title: str, module: ModuleType) -> None:
        super().__init__(module.__name__)
        vars(self).update(vars(module))
        vars(self)["_title"] = title

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
            used.setdefault(f"{self._title}.{name}", set()).add(test)
        return super().__getattribute__(name)


@pytest.fixture(scope="session")
def peer() -> SimpleNamespace:
    """SpikingJelly's modules by name: ``peer.neuron.LIFNode``."""
    names = {name: f"activation_based.{name}" for name in MODULES} | {"visualizing": "visualizing"}
    try:
        modules = {
            name: importlib.import_module(f"spikingjelly.{below}") for name, below in names.items()
        }
    except ImportError as error:
        pytest.fail(
            f"the differential tests compare with SpikingJelly, but: {error}. Install it with\n"
            "  pip install -e '.[dev,peer]' && pip install --no-deps spikingjelly==2.0.0"
        )
    assert version("spikingjelly") == "2.0.0"
    return SimpleNamespace(**{name: Watched(name, module) for name, module in modules.items()})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that asks what the others have compared comes last."""
    items.sort(key=lambda item: item.name == LAST)
