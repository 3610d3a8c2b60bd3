"""``bitspike bench``: kernels against eager PyTorch, or the repository's own benchmarks."""

import statistics
import subprocess
import sys
import time
import tomllib
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import bitspike
from bitspike import functional, kernels
from bitspike._terminal import say
from bitspike.cli._output import UsageError, print_json, table
from bitspike.examples import lif_fc_mnist as tutorial

T, B = 100, 64


def _checkout() -> Path | None:
    """Return the repository that this package or the current folder belongs to, or None."""
    starts = (Path(bitspike.__file__).resolve().parent, Path.cwd())
    for folder in (folder for start in starts for folder in (start, *start.parents)):
        project = folder / "pyproject.toml"
        if project.is_file() and (folder / "benchmarks" / "__main__.py").is_file():
            try:
                content = tomllib.loads(project.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if content.get("project", {}).get("name") == "bitspike":
                return folder
    return None


def run(args: Namespace) -> int:
    """Measure, or run the repository's benchmarks and return their exit code."""
    if args.suites:
        return _run_suites(args)
    torch.set_num_threads(1)
    rounds = args.rounds or (1 if args.quick else 5)
    result: dict[str, Any] = {
        "T": T, "batch": B, "threads": 1, "rounds": rounds,
        "milliseconds": _measure(rounds, 0.0 if args.quick else 0.3),
    }  # fmt: skip
    if args.json:
        print_json(result)
        return 0
    rows = [
        [work, f"{ms['eager']:.2f}", f"{ms['numba']:.2f}", f"{ms['eager'] / ms['numba']:.1f}x"]
        for work, ms in result["milliseconds"].items()
    ]
    say(f"The tutorial's network, T={T}, batch {B}, one thread, median of {rounds} rounds:\n")
    say(table(("a batch", "eager ms", "kernels ms", "faster"), rows))
    if (folder := _checkout()) is not None:
        say(f"\nMore: bitspike bench SUITE or all runs the benchmarks in {folder}.")
    return 0


def _run_suites(args: Namespace) -> int:
    """Run ``python -m benchmarks`` in the repository."""
    folder = _checkout()
    if folder is None:
        raise UsageError(
            "suites are part of the repository, and this is no checkout of it; without SUITE a "
            "benchmark that is always there runs"
        )
    if args.json:
        raise UsageError("--json does not go with suites, which write files of their own")
    command = [sys.executable, "-m", "benchmarks"]
    command += [] if args.suites == ["all"] else args.suites
    command += ["--rounds", str(args.rounds)] if args.rounds else []
    command += ["--quick"] if args.quick else []
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603


def _measure(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return the median of the milliseconds that a batch takes, by kind of work and backend.

    Backends take turns in each round, which lasts for ``seconds`` and one call at least.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        jobs = _jobs(torch.rand(B, 1, 28, 28) * (torch.rand(B, 1, 28, 28) < 0.2))
    times: dict[str, dict[str, list[float]]] = {work: {"eager": [], "numba": []} for work in jobs}
    for work, job in jobs.items():
        for backend in times[work]:
            with kernels.use_backend(backend):
                job()  # compiles
        for _ in range(rounds):
            for backend, seconds_of in times[work].items():
                with kernels.use_backend(backend):
                    seconds_of.append(_time(job, seconds))
    return {
        work: {backend: round(1e3 * statistics.median(s), 4) for backend, s in by_backend.items()}
        for work, by_backend in times.items()
    }


def _jobs(image: torch.Tensor) -> dict[str, Callable[[], Any]]:
    options = tutorial.Options(T=T)
    net = tutorial.make_net(options)
    label = torch.arange(len(image)) % 10
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0)

    def rate() -> torch.Tensor:
        out = tutorial.firing_rate(net, image, T)
        functional.reset_net(net)
        return out

    def train() -> None:
        optimizer.zero_grad()
        tutorial.loss_of(rate(), label).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return {"training": train, "inference": torch.no_grad()(rate)}


def _time(job: Callable[[], Any], seconds: float) -> float:
    began, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - began < seconds:
        job()
        calls += 1
    return (time.perf_counter() - began) / calls
