"""Mixed precision on the CPU: bfloat16 for the matrix product, float32 for all else."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from tests.examples.tutorial import Program, Run


def test_a_run(program: "Program", small: list[str], reference: "Run", tmp_path: Path) -> None:
    assert program.here(*small, "-amp", "-epochs", "3", "-out-dir", tmp_path) == 0
    run = program.only(tmp_path)
    assert run.folder.name == "T4_b32_adam_lr0.01_amp_limit320"
    v = np.load(run.folder / "v_t_array.npy")
    assert v.dtype == np.float32
    rounded = torch.from_numpy(v).bfloat16().float().numpy()
    assert (v != rounded).any()  # more digits than bfloat16 has
    state = run.state()
    assert state["net"]["1.weight"].dtype == torch.float32
    assert state["scaler"] == {}  # bfloat16 needs no scaling
    last, expected = run.metrics()[-1], reference.metrics()[-1]
    assert abs(last["test_acc"] - expected["test_acc"]) < 0.1
