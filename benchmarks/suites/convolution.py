"""A small convolutional network, in both memory layouts where the layout is free."""

from benchmarks._measure import Row, Settings
from benchmarks._results import save
from benchmarks.libraries import Network, build
from benchmarks.suites.networks import CONVOLUTIONAL, Case, measure, prepare

NOTE = (
    "The image is held for T steps, as in SpikingJelly's example for Fashion-MNIST. Batch norm in "
    "a loop over single steps has the statistics of each step, otherwise of all. The ratio is "
    "between the faster layout of either library."
)


def contenders(case: Case) -> dict[str, Network]:
    """Yield the steps of all networks, and of two networks in another layout."""
    networks = prepare(case)
    for name in ("bitspike", "SpikingJelly"):
        if name in networks:
            other = build(case.parts, name)[name]
            other.copy_from(networks[name])
            other.channels_last()
            networks[f"{name} channels-last"] = other
    return networks


def run(settings: Settings) -> None:
    """Measure T = 4 and T = 16."""
    rows: list[Row] = []
    for case in CONVOLUTIONAL:
        rows += measure(case, contenders(case), settings)
    save(settings, "convolution", "A small convolutional network, one step", rows, NOTE)
