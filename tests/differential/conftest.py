"""The peer: SpikingJelly 2.0.0, installed for these tests only."""

import importlib
from importlib.metadata import version
from types import SimpleNamespace

import pytest

MODULES = ("base", "encoding", "functional", "layer", "monitor", "neuron", "rnn", "surrogate")


@pytest.fixture(scope="session")
def peer() -> SimpleNamespace:
    """SpikingJelly's modules by name: ``peer.neuron.LIFNode``."""
    try:
        modules = {
            name: importlib.import_module(f"spikingjelly.activation_based.{name}")
            for name in MODULES
        }
    except ImportError as error:
        pytest.fail(
            f"the differential tests compare with SpikingJelly, but: {error}. Install it with\n"
            "  pip install -e '.[dev,peer]' && pip install --no-deps spikingjelly==2.0.0"
        )
    assert version("spikingjelly") == "2.0.0"
    return SimpleNamespace(**modules)
