"""The same networks in bitspike and in the other libraries."""

from collections.abc import Callable
from importlib.util import find_spec

from benchmarks.libraries._loops import Norse, SnnTorch
from benchmarks.libraries._network import Network
from benchmarks.libraries._parts import LIF, Part, convolutional, fully_connected
from benchmarks.libraries._sinabs import Sinabs
from benchmarks.libraries._stepwise import Bitspike, SpikingJelly

Maker = Callable[[list[Part]], Network]

MAKERS: dict[str, Maker] = {
    "bitspike": Bitspike,
    "bitspike single-step": lambda parts: Bitspike(parts, "s"),
    "SpikingJelly": SpikingJelly,
    "SpikingJelly single-step": lambda parts: SpikingJelly(parts, "s"),
    "snnTorch": SnnTorch,
    "Norse": Norse,
    "sinabs": Sinabs,
}
PACKAGES = {"SpikingJelly": "spikingjelly", "snnTorch": "snntorch", "Norse": "norse"}


def installed(name: str) -> bool:
    """Return whether a library is installed; all are in ``.venv-bench``."""
    library = name.split()[0]
    return find_spec(PACKAGES.get(library, library)) is not None


def build(parts: list[Part], *names: str) -> dict[str, Network]:
    """Return the networks of these names, or all, as far as their libraries are installed."""
    return {name: MAKERS[name](parts) for name in names or MAKERS if installed(name)}


__all__ = [
    "LIF",
    "Bitspike",
    "Network",
    "Norse",
    "Part",
    "Sinabs",
    "SnnTorch",
    "SpikingJelly",
    "build",
    "convolutional",
    "fully_connected",
    "installed",
]
