"""Same seed, same machine, same result, bit for bit."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from tests.examples.tutorial import Program, Run


def test_same_seed_after_other_random_numbers(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    random.random()  # noqa: S311
    np.random.rand(3)  # noqa: NPY002
    torch.rand(3)
    assert program.here(*small, "-epochs", "3", "-out-dir", tmp_path) == 0
    program.only(tmp_path).assert_same_as(reference)


def test_a_process_of_its_own_gives_the_same(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    done = program.fresh(*small, "-epochs", "3", "-out-dir", str(tmp_path), small=True)
    assert (done.code, done.err) == (0, "")
    program.only(tmp_path).assert_same_as(reference)


@pytest.mark.parametrize("threads", ["1", "4"])
def test_threads_that_prepare_batches_change_nothing(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path, threads: str
) -> None:
    assert program.here(*small, "-epochs", "3", "-out-dir", tmp_path, "-j", threads) == 0
    program.only(tmp_path).assert_same_as(reference)


def test_with_several_threads_of_torch(
    default_program: "Program", small: list[str], tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        argv = [*small, "-epochs", "1", "-j", "2", "-out-dir", str(tmp_path / folder)]
        assert default_program.here(*argv, threads=2) == 0
    default_program.only(tmp_path / "a").assert_same_as(default_program.only(tmp_path / "b"))


@pytest.mark.parametrize(
    "option", ["-seed 1", "-lr 0.02", "-tau 2.5", "-b 31", "-opt sgd", "-limit 319", "-T 5", "-amp"]
)
def test_another_option_gives_another_network(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path, option: str
) -> None:
    argv = [*small, *option.split(), "-epochs", "1", "-out-dir", str(tmp_path)]
    assert program.here(*argv) == 0
    assert program.only(tmp_path).metrics() != reference.metrics()[:1]
