"""Ctrl-C and SIGTERM: save, say how to go on, and exit with the shell's code."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.examples.tutorial import Program, Run

# Sends signals to itself while it computes the rates of a batch: the n-th one of those in training
# or of those in evaluation. An epoch has 10 and 3 of them.
AT_BATCH = """
rate, seen = program.firing_rate, []
def watched_rate(net, image, T):
    seen.append(net.training)
    if seen[-1] == {training} and seen.count({training}) == {n}:
        for name in {signals}:
            send(name)
    return rate(net, image, T)
program.firing_rate = watched_rate
"""
IN_REPORT = """
respond = program.respond
def watched_respond(*args):
    send("SIGTERM")
    return respond(*args)
program.respond = watched_respond
"""


def at_batch(n: int, *signals: str, training: bool = True) -> str:
    return AT_BATCH.format(n=n, signals=signals, training=training)


@pytest.mark.parametrize(
    ("change", "code", "said", "done"),
    [
        pytest.param(at_batch(1, "SIGINT"), 130, "Ctrl-C in epoch 1", (0, 1), id="SIGINT-first"),
        pytest.param(at_batch(14, "SIGINT"), 130, "Ctrl-C in epoch 2", (1, 4), id="SIGINT-middle"),
        pytest.param(at_batch(30, "SIGTERM"), 143, "SIGTERM in epoch 3", (2, 10), id="SIGTERM"),
        pytest.param(
            at_batch(5, "SIGINT", training=False),
            130,
            "Ctrl-C in epoch 2",
            (1, 10),
            id="SIGINT-evaluation",
        ),
    ],
)
def test_stop_and_resume(
    program: "Program",
    small: list[str],
    reference: "Run",
    tmp_path: Path,
    change: str,
    code: int,
    said: str,
    done: tuple[int, int],
) -> None:
    stopped = program.apart(*small, "-epochs", "3", "-out-dir", str(tmp_path), change=change)
    run = program.only(tmp_path)
    assert (stopped.code, stopped.err) == (code, "")
    assert f"Stopped by {said}. " in stopped.out
    assert f"-resume {run.latest}" in stopped.out
    state = run.state()
    assert (len(state["history"]), state["batch"]) == done
    assert run.metrics() == reference.metrics()[: done[0]]
    assert program.here("-resume", run.latest, "-epochs", "3") == 0
    run.assert_same_as(reference)


def test_stopped_again_and_again(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    first = program.apart(
        *small, "-epochs", "3", "-out-dir", str(tmp_path), change=at_batch(4, "SIGTERM")
    )
    run = program.only(tmp_path)
    again = ["-resume", str(run.latest), "-epochs", "3"]
    second = program.apart(*again, change=at_batch(3, "SIGINT"))
    assert (first.code, second.code, first.err, second.err) == (143, 130, "", "")
    assert run.state()["batch"] == 7
    assert program.here(*again) == 0
    run.assert_same_as(reference)


def test_a_second_ctrl_c_stops_at_once(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    argv = [*small, "-epochs", "3", "-out-dir", str(tmp_path)]
    stopped = program.apart(*argv, change=at_batch(14, "SIGINT", "SIGINT"))
    run = program.only(tmp_path)
    assert stopped.code == 130
    assert stopped.err == "lif_fc_mnist: stopped at once, without saving\n"
    state = run.state()
    assert (len(state["history"]), state["batch"]) == (1, 0)  # as after epoch 1
    assert program.here("-resume", run.latest, "-epochs", "3") == 0
    run.assert_same_as(reference)


def test_a_stop_after_the_last_epoch(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    argv = [*small, "-epochs", "3", "-out-dir", str(tmp_path)]
    stopped = program.apart(*argv, change=IN_REPORT)
    assert (stopped.code, stopped.err) == (143, "")
    assert "Stopped by SIGTERM" in stopped.out
    program.only(tmp_path).assert_same_as(reference)


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("SIGINT", 130, "lif_fc_mnist: stopped at once, without saving\n"),
        ("SIGTERM", -15, ""),  # 143 in a shell, which says "Terminated" itself
    ],
)
def test_a_stop_before_training(
    program: "Program", small: list[str], tmp_path: Path, name: str, code: int, said: str
) -> None:
    change = f"program.make_net = lambda *args: send({name!r})"
    stopped = program.apart(*small, "-out-dir", str(tmp_path), change=change)
    assert (stopped.code, stopped.err) == (code, said)
    assert not list(tmp_path.iterdir())
