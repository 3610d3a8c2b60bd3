"""``bitspike info``: what a checkpoint holds."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch

from bitspike._terminal import say
from bitspike.cli._checkpoints import checkpoint_path
from bitspike.cli._programs import load
from bitspike.cli._table import pairs, print_json
from bitspike.training._contents import ContentError, integer, number, of_checkpoint


def describe(path: str) -> dict[str, Any]:
    """Everything but the numbers themselves, in types that JSON has."""
    _, state = load(path)
    with of_checkpoint(path):  # for those of a program that is not ours
        net = {n: w for n, w in _a(dict, state, "net").items() if isinstance(w, torch.Tensor)}
        history, options = _a(list, state, "history"), _a(dict, state, "options")
        for row in history:
            if not isinstance(row, dict):
                raise ContentError("a row of the history is no dict")
            number(row.get("test_acc"), 0, 1, "test_acc in the history")
            integer(row.get("epoch"), 0, 2**31 - 1, "the epoch in the history")
        batches = integer(state.get("batch", 0), 0, 2**31 - 1, "the number of batches")
    best = max(history, key=lambda row: row["test_acc"]) if history else None
    return {
        "checkpoint": path,
        "bytes": Path(path).stat().st_size,
        "program": state["program"],
        "epochs": len(history),
        "batches_of_next_epoch": batches,
        "options": options,
        "best": _finite(best),
        "last": _finite(history[-1] if history else None),
        "parameters": sum(weight.numel() for weight in net.values()),
        "weights": {
            name: {"shape": list(weight.shape), "dtype": str(weight.dtype).removeprefix("torch.")}
            for name, weight in net.items()
        },
    }


def _a(kind: type[Any], state: dict[str, Any], name: str) -> Any:
    """An entry of a checkpoint, an empty one if it is not there."""
    found = state.get(name, kind())
    if not isinstance(found, kind):
        raise ContentError(f"{name} is of the type {type(found).__name__}")
    return found


def _finite(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in row.items()}


def run(args: Namespace) -> int:
    """Prints it."""
    found = describe(checkpoint_path(args.checkpoint))
    if args.json:
        print_json(found)
        return 0
    rows = [
        ("checkpoint", f"{found['checkpoint']} ({found['bytes']:,} bytes)"),
        ("program", found["program"]),
        ("options", ", ".join(f"{n} {v}" for n, v in found["options"].items())),
        ("epochs", _epochs(found)),
    ]
    rows += [
        (name, f"test accuracy {row['test_acc']:.2%}, epoch {row['epoch']}")
        for name in ("best", "last")
        if (row := found[name])
    ]
    rows.append(("values", f"{found['parameters']:,}"))
    for name, weight in found["weights"].items():
        shape = " x ".join(map(str, weight["shape"])) or "scalar"
        rows.append((f"  {name}", f"{shape}  {weight['dtype']}"))
    say(pairs(rows))
    return 0


def _epochs(found: dict[str, Any]) -> str:
    if found["batches_of_next_epoch"]:
        return f"{found['epochs']}, and {found['batches_of_next_epoch']} batches of the next"
    return str(found["epochs"])
