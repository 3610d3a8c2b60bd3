"""``bitspike doctor``: what is installed, what is found, and a self-test."""

import os
import platform
import re
from argparse import Namespace
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import torch

from bitspike import __version__, kernels
from bitspike._terminal import say
from bitspike.cli._selftest import compare
from bitspike.cli._table import pairs, print_json
from bitspike.datasets import default_root

NOT_FOR_USERS = {"dev", "docs", "peer"}
VARIABLES = (
    "BITSPIKE_BACKEND", "BITSPIKE_DATA", "NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS",
)  # fmt: skip


def requirements() -> dict[str, list[str]]:
    """The packages of each extra, as the installed package's metadata has them."""
    needs: dict[str, list[str]] = {}
    for line in metadata.requires("bitspike") or []:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra\s*==\s*['\"](\w+)", line)
        if name and extra and name[0] != "bitspike" and extra[1] not in NOT_FOR_USERS:
            needs.setdefault(extra[1], []).append(name[0])
    return needs


def installed(package: str) -> str | None:
    """The version of a package; None if it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def examine() -> dict[str, Any]:
    """All findings, in types that JSON has."""
    numba = _numba()
    checks = compare() if "error" not in numba else []
    return {
        "versions": {
            "bitspike": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": installed("numpy"),
            **{name: numba[name] for name in ("numba", "llvmlite") if name in numba},
            **({"triton": installed("triton")} if find_spec("triton") else {}),
        },
        "extras": {
            extra: {package: installed(package) for package in packages}
            for extra, packages in requirements().items()
        },
        "machine": {
            "system": platform.platform(),
            "processor": numba.get("processor") or platform.processor() or platform.machine(),
            "cores": _cores(),
        },
        "threads": {
            "torch": torch.get_num_threads(),
            "kernels": numba.get("threads"),
            "layer": numba.get("threading_layer"),
        },
        "backends": {
            "eager": "yes",
            "numba": numba.get("error", "yes"),
            "triton": _triton(),
            "cuda": _cuda(),
            "mps": "yes" if torch.backends.mps.is_available() else "no",
        },
        "places": {"kernel cache": numba.get("cache"), "data sets": _data()},
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "self-test": [vars(check) for check in checks],
        "healthy": "error" not in numba and all(check.holds for check in checks),
    }


def _numba() -> dict[str, Any]:
    if find_spec("numba") is None:
        return {"error": "not installed: pip install numba"}
    try:
        return kernels.describe_numba()
    except Exception as error:  # whatever a broken installation raises
        return {"error": f"{type(error).__name__}: {error}".split("\n")[0]}


def _triton() -> str:
    if find_spec("triton") is None:
        return "not installed"
    if not torch.cuda.is_available():
        return "no GPU that torch can use"
    return kernels.triton_unsupported(torch.device("cuda", 0)) or "yes"


def _cores() -> int | None:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _cuda() -> str:
    if not torch.cuda.is_available():
        return "no"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _data() -> str:
    try:
        return str(default_root())
    except ImportError as error:
        return f"none: {error}"


def run(args: Namespace) -> int:
    """Prints the findings; 1 if the kernels do not run or compute something else."""
    found = examine()
    if args.json:
        print_json(found)
        return 0 if found["healthy"] else 1
    rows: list[tuple[str, str]] = [*found["versions"].items()]
    for extra, packages in found["extras"].items():
        missing = [name for name, version in packages.items() if version is None]
        cure = f'{", ".join(missing)} missing: pip install "bitspike[{extra}]"'
        rows.append((f"[{extra}]", cure if missing else "complete"))
    for part in ("machine", "threads", "backends", "places", "environment"):
        head = f"{part}: " if part in ("threads", "backends") else ""
        rows += [(f"{head}{name}", _text(value)) for name, value in found[part].items()]
    for check in found["self-test"]:
        rows.append(
            (
                f"self-test: {check['name']}",
                f"{'ok' if check['holds'] else 'FAILED'}, {check['found']}",
            )
        )
    say(pairs([(name, _text(value)) for name, value in rows]))
    say("\nAll is well." if found["healthy"] else "\nNot well: what failed stands above.")
    return 0 if found["healthy"] else 1


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
