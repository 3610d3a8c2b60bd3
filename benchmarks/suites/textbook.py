"""The loop of the textbooks: encoder, network and sum, once a time step."""

from benchmarks._measure import Settings
from benchmarks._results import save
from benchmarks.suites.networks import HIDDEN, TUTORIAL, measure, prepare

NAMES = ("bitspike", "bitspike single-step", "SpikingJelly single-step", "snnTorch", "Norse")
NOTE = "bitspike without 'single-step' is the same network in one multi-step call, to compare."


def run(settings: Settings) -> None:
    """Measure the tutorial's network and a network with a hidden layer."""
    rows = []
    for case in (TUTORIAL, HIDDEN[0]):
        networks = prepare(case, *NAMES)
        for row in measure(case, networks, settings):
            ours, theirs = (f"{name} single-step, ms" for name in ("bitspike", "SpikingJelly"))
            if theirs in row:
                row["ratio"] = row[theirs] / row[ours]
            row.pop("ratio in the rounds", None)  # it is that of the multi-step call
            rows.append(row)
    save(settings, "textbook", "The textbook loop over single steps, one step", rows, NOTE)
