import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bitspike.training import (
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
)

CPU = torch.device("cpu")
# The normal ones keep a second number back: it belongs to the state.
SOURCES: dict[str, Callable[[], object]] = {
    "random.random": random.random,
    "random.gauss": lambda: random.gauss(0, 1),
    "np.random.rand": lambda: np.random.rand(3).tolist(),  # noqa: NPY002
    "np.random.normal": lambda: np.random.normal(),  # noqa: NPY002
    "torch.rand": lambda: torch.rand(5).tolist(),
    "torch.randn": lambda: torch.randn(1).tolist(),
    "torch.randperm": lambda: torch.randperm(9).tolist(),
}


def draw() -> list[object]:
    return [source() for source in SOURCES.values()]


@pytest.fixture(autouse=True)
def _keep_random_states() -> object:
    state = random_state()
    yield
    restore_random_state(state)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("before", [0, 1])
def test_restored_states_give_the_same_numbers(source: str, before: int) -> None:
    seed_everything(3, CPU)
    for _ in range(before):
        SOURCES[source]()
    state = random_state()
    first = [SOURCES[source]() for _ in range(3)]
    assert len(set(map(str, first))) == 3
    restore_random_state(state)
    assert [SOURCES[source]() for _ in range(3)] == first


def test_the_states_survive_a_checkpoint(tmp_path: Path) -> None:
    draw()
    save_checkpoint(tmp_path / "states.pth", "prog", {"random": random_state()})
    first = draw()
    restore_random_state(load_checkpoint(tmp_path / "states.pth", "prog")["random"])
    assert draw() == first


def test_restoring_changes_nothing_else() -> None:
    state = random_state()
    restore_random_state(state)
    again = random_state()
    assert {name: state[name] for name in ("python", "numpy")} == {
        name: again[name] for name in ("python", "numpy")
    }
    assert torch.equal(state["torch"], again["torch"])


def test_every_source_follows_the_seed() -> None:
    seeded: list[list[object]] = []
    for seed in (5, 5, 6):
        seed_everything(seed, CPU)
        seeded.append(draw())
    assert seeded[0] == seeded[1]
    assert all(a != b for a, b in zip(seeded[0], seeded[2], strict=True))


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_smallest_and_largest_seed(seed: int) -> None:
    seed_everything(seed, CPU)
    first = draw()
    seed_everything(seed, CPU)
    assert draw() == first


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range(seed: int) -> None:
    state = random_state()
    with pytest.raises(ValueError, match=rf"seed must lie in \[0, 2\*\*32\), but got {seed}"):
        seed_everything(seed, CPU)
    assert random_state()["python"] == state["python"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_has_a_state_of_its_own() -> None:
    state = random_state()
    first = torch.rand(5, device="cuda")
    restore_random_state(state)
    assert torch.equal(torch.rand(5, device="cuda"), first)


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs Apple's GPU")
def test_mps_has_a_state_of_its_own() -> None:
    state = random_state()
    first = torch.rand(5, device="mps")
    restore_random_state(state)
    assert torch.equal(torch.rand(5, device="mps"), first)


def test_states_of_devices_that_are_not_here_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    state = random_state()
    first = torch.rand(5)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    elsewhere = {"cuda": [torch.zeros(16, dtype=torch.uint8)], "mps": torch.zeros(44)}
    restore_random_state({**state, **elsewhere})
    assert torch.equal(torch.rand(5), first)
