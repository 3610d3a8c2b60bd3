"""How time and memory grow with the number of steps and with the density of spikes."""

from dataclasses import replace

from benchmarks._measure import Row, Settings, ratio, time_all
from benchmarks._memory import Task, measure_all, training_step
from benchmarks._results import save
from benchmarks.libraries import installed

STEPS = (10, 30, 100, 300, 1000)
DENSITIES = (0.01, 0.05, 0.1, 0.2, 0.5)
SIZES = (784, 256, 10)
CONTENDERS = {
    "bitspike": Task("bitspike", SIZES, 100, 64),
    "bitspike low": Task("bitspike", SIZES, 100, 64, low=True),
    "SpikingJelly": Task("SpikingJelly", SIZES, 100, 64),
}


def both(tasks: dict[str, Task], settings: Settings) -> Row:
    """Measure time and memory of a training step."""
    times = time_all({name: training_step(task) for name, task in tasks.items()}, settings)
    row: Row = {f"{name}, ms": times[name].ms for name in tasks}
    row |= {f"{name}, MiB": mib for name, mib in measure_all(tasks).items()}
    return row | ratio(times)


def run(settings: Settings) -> None:
    """Write two tables."""
    tasks = {name: task for name, task in CONTENDERS.items() if installed(task.library)}
    rows: list[Row] = [
        {"T": T, **both({name: replace(task, T=T) for name, task in tasks.items()}, settings)}
        for T in settings.pick(STEPS, (10, 30))
    ]
    title = "A training step of 784-256-10, batch 64, over the number of steps"
    save(settings, "growth_steps", title, rows)

    rows = []
    T = settings.pick(100, 10)
    for density in settings.pick(DENSITIES, (0.01, 0.5)):
        given = {k: replace(t, T=T, density=density) for k, t in tasks.items()}
        rows.append({"spikes, %": 100 * density, **both(given, settings)})
    title = "The same at T = 100, over the density of the input spikes"
    save(settings, "growth_density", title, rows, "bitspike gets the input packed as bits.")
