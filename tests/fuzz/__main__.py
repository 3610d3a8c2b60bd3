"""``python -m tests.fuzz 10`` draws cases for ten minutes; ``--seed 7`` runs one case.

The cases run in a process of their own, so that one that kills it is found as well.
"""

import argparse
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.fuzz.cases import Case
from tests.fuzz.comparison import Verdict, check
from tests.fuzz.networks import draw
from tests.fuzz.shrinking import shrink

MORE = ("checkpoint", "gradient penalty", "inference first")
"""Variants that are drawn on request only."""
GRACE = 300.0
"""Seconds after which a worker that should have ended hangs."""
CASES = 200
"""Of a worker: what it compiles stays in its memory."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=1.0)
    parser.add_argument("--first", type=int, help="the first seed; a random one by default")
    parser.add_argument("--seed", type=int, help="run this one and show what differs")
    parser.add_argument("--more", action="append", choices=MORE, default=[], help="kinds of checks")
    parser.add_argument("--few", action="store_true", help="few neurons, as in the test suite")
    parser.add_argument("--no-shrink", action="store_true", help="report failing cases as drawn")
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    more = tuple(options.more)
    if options.seed is not None:
        return _one(draw(options.seed, not options.few, more))
    first = secrets.randbelow(10**6) if options.first is None else options.first
    if options.until is not None:
        _work(first, options.until, not options.few, more, not options.no_shrink)
        return 0
    return _watch(first, time.time() + 60 * options.minutes, sys.argv[1:])


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _one(case: Case) -> int:
    _say(repr(case))
    verdict = check(case)
    _say(f"{verdict.outcome}: {verdict.details or verdict.what}")
    return verdict.outcome == "failed"


def _work(
    seed: int, until: float, everything: bool, more: tuple[str, ...], shrinking: bool
) -> None:
    """Runs one case after the other, and says for each what became of it."""
    for _ in range(CASES):
        if time.time() >= until:
            break
        case = draw(seed, everything, more)
        _say(f"SEED {seed} {case!r}")
        verdict = check(case)
        _say(f"OUTCOME {verdict.outcome} {verdict.what}")
        if verdict.outcome == "failed":
            small = shrink(case, _fails_like(verdict)) if shrinking else case
            _say(f"smallest case found: {small!r}")
            _say(f"which gives: {check(small).what}\n")
        seed += 1


def _fails_like(verdict: Verdict) -> Callable[[Case], bool]:
    """Whether a case fails with the same kind of difference or of error."""

    def fails(case: Case) -> bool:
        other = check(case)
        return other.outcome == "failed" and _sort(other.what) == _sort(verdict.what)

    return fails


def _sort(what: str) -> str:
    first = what.split()[0].strip(":")
    if first == "gradient":
        return "gradient of the input" if what.split()[1] == "x" else "gradient"
    return first


def _watch(seed: int, until: float, arguments: list[str]) -> int:
    """Starts workers, a new one after a crash, and sums up."""
    outcomes: Counter[str] = Counter()
    failures: dict[int, str] = {}
    while time.time() < until:
        command = [sys.executable, "-m", "tests.fuzz", *arguments]
        command += ["--first", str(seed), "--until", str(until)]
        running = None
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            hung = threading.Timer(until + GRACE - time.time(), worker.kill)
            hung.start()
            for line in worker.stdout or ():
                word, _, rest = line.strip().partition(" ")
                if word == "SEED":
                    number, _, running = rest.partition(" ")
                    seed = int(number)
                elif word == "OUTCOME":
                    outcome, _, what = rest.partition(" ")
                    outcomes[outcome] += 1
                    running = None
                    if outcome == "failed":
                        failures[seed] = what
                        _say(f"seed {seed} failed: {what}")
                    elif outcomes.total() % 50 == 0:
                        _say(f"... {_counts(outcomes)}")
                else:
                    _say(line.rstrip())
            hung.cancel()
        if running is not None:
            outcomes["failed"] += 1
            failures[seed] = f"the process ended with {worker.returncode}"
            _say(f"seed {seed}: {failures[seed]}\n{running}\n")
        elif worker.returncode and seed not in failures:  # nor while a failure was made smaller
            _say(f"the worker ended with {worker.returncode}")
            return 1
        seed += 1
    _say(_counts(outcomes))
    for failed, what in failures.items():
        _say(f"  seed {failed}: {what}")
    if failures:
        _say("Run one again, with the same options: python -m tests.fuzz --seed SEED")
    return bool(failures)


def _counts(outcomes: Counter[str]) -> str:
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    return f"{outcomes.total()} cases: {counts}"


if __name__ == "__main__":
    sys.exit(main())
