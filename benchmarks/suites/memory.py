"""Peak memory of a training step, each in a separate process."""

from benchmarks._measure import Row, Settings
from benchmarks._memory import Task, measure_all
from benchmarks._results import save
from benchmarks.libraries import installed

CASES: dict[str, tuple[tuple[int, ...], int, int]] = {
    "784-10": ((784, 10), 100, 64),
    "784-256-10": ((784, 256, 10), 25, 128),
    "784-800-10": ((784, 800, 10), 100, 64),
    "conv 1-32-32-10": ((), 4, 64),
    "conv 1-32-32-10, long": ((), 16, 64),
}
CONTENDERS = {
    "bitspike": ("bitspike", False),
    "bitspike low": ("bitspike", True),
    "SpikingJelly": ("SpikingJelly", False),
    "SpikingJelly memopt": ("SpikingJelly", True),
    "SpikingJelly single-step": ("SpikingJelly single-step", False),
}
NOTE = (
    "Highest resident memory in three training steps, less what was resident before them; each "
    "figure is from a fresh process in which the same step had run once before, with another "
    "network, whose memory was given back. memopt is level 1 of SpikingJelly's optimisation, the "
    "highest that runs without CUDA. The ratios are to SpikingJelly's default, in its frugal mode."
)


def run(settings: Settings) -> None:
    """Measure default and memory-saving modes side by side."""
    rows: list[Row] = []
    cases = list(CASES.items())
    for name, (sizes, T, size) in settings.pick(cases, [cases[0], cases[3]]):
        row: Row = {"network": name.removesuffix(", long"), "T": T, "batch": size}
        tasks = {
            contender: Task(library, sizes, T, size, low)
            for contender, (library, low) in CONTENDERS.items()
            if installed(library)
        }
        taken = measure_all(tasks)
        row |= {f"{contender}, MiB": mib for contender, mib in taken.items()}
        theirs = [
            mib for k, mib in taken.items() if k.startswith("SpikingJelly") and "opt" not in k
        ]
        if theirs:
            row["ratio"] = min(theirs) / taken["bitspike"]
            row["ratio, low"] = min(theirs) / taken["bitspike low"]
        rows.append(row)
    save(settings, "memory", "Peak memory of a training step", rows, NOTE)
