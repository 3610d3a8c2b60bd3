"""The picture of the results in the README."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks._results import Result, load

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "benchmarks.png"
LIBRARIES = {
    "bitspike": "#3949ab",
    "SpikingJelly": "#e67e22",
    "snnTorch": "#7f8c8d",
    "Norse": "#a5b1b2",
    "sinabs": "#ccd3d4",
}
TASKS = (
    ("tutorial", {"step": "training"}, "tutorial\n784-10, T=100"),
    ("networks", {"step": "training", "network": "784-256-10"}, "784-256-10\nT=25"),
    ("networks", {"step": "training", "network": "784-800-10"}, "784-800-10\nT=100"),
    ("convolution", {"step": "training", "T": 4}, "conv 1-32-32-10\nT=4"),
    ("convolution", {"step": "training", "T": 16}, "conv 1-32-32-10\nT=16"),
    ("lif", {"T": 16, "N": 1_000_000}, "LIF alone\nT=16, N=1e6"),
)


def best(results: Result, where: Mapping[str, object], library: str) -> float | None:
    """Return the fastest time of a library in the matching rows; None if it was not measured."""
    rows = [r for r in results["rows"] if all(r.get(key) == value for key, value in where.items())]
    times = [
        float(value)
        for row in rows
        for column, value in row.items()
        if value is not None
        and column.startswith(library)
        and column.endswith(", ms")
        and "eager" not in column
    ]
    return min(times, default=None)


def short(ms: float) -> str:
    """Format a number with two digits and at most four characters."""
    return f"{ms / 1000:.2g}k" if ms >= 1000 else f"{ms:.2g}" if ms < 10 else f"{ms:.0f}"


def draw(path: Path = PICTURE) -> Path | None:
    """Draw the measured steps; return None if there are none."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = [(load(name), where, label) for name, where, label in TASKS]
    tasks = [(result, where, label) for result, where, label in found if result is not None]
    if not tasks:
        return None
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    width = 0.8 / len(LIBRARIES)
    for i, (library, colour) in enumerate(LIBRARIES.items()):
        for task, (result, where, _) in enumerate(tasks):
            ms = best(result, where, library)
            if ms is None:
                continue
            at = task + (i - (len(LIBRARIES) - 1) / 2) * width
            axes.bar(at, ms, width, color=colour, label=library if task == 0 else None)
            axes.text(at, ms * 1.08, short(ms), ha="center", size=7)
    axes.set_yscale("log")
    axes.set_xticks(range(len(tasks)), [label for *_, label in tasks])
    axes.set_ylabel("ms a training step (log scale)")
    axes.set_title("Lower is better: one training step on a CPU, fastest mode of each library")
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, ncols=len(LIBRARIES), loc="outside lower center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return path
