"""``bitspike info``: what a checkpoint holds."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch

from bitspike.cli._checkpoints import checkpoint_path
from bitspike.cli._table import pairs, print_json
from bitspike.training import load_checkpoint


def describe(path: str) -> dict[str, Any]:
    """Everything but the numbers themselves, in types that JSON has."""
    state = load_checkpoint(path)
    net = {n: w for n, w in state.get("net", {}).items() if isinstance(w, torch.Tensor)}
    history = state.get("history", [])
    best = max(history, key=lambda row: row["test_acc"]) if history else None
    return {
        "checkpoint": path,
        "bytes": Path(path).stat().st_size,
        "program": state["program"],
        "epochs": len(history),
        "batches_of_next_epoch": state.get("batch", 0),
        "options": state.get("options", {}),
        "best": _finite(best),
        "last": _finite(history[-1] if history else None),
        "parameters": sum(weight.numel() for weight in net.values()),
        "weights": {
            name: {"shape": list(weight.shape), "dtype": str(weight.dtype).removeprefix("torch.")}
            for name, weight in net.items()
        },
    }


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
    print(pairs(rows))
    return 0


def _epochs(found: dict[str, Any]) -> str:
    if found["batches_of_next_epoch"]:
        return f"{found['epochs']}, and {found['batches_of_next_epoch']} batches of the next"
    return str(found["epochs"])
