"""``bitspike doctor``: what is installed, and a self-test of the kernels."""

import os
import platform
import re
import time
from argparse import Namespace
from importlib import metadata, util
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import __version__, functional, kernels, layer, neuron
from bitspike._terminal import say
from bitspike.cli._output import pairs, print_json
from bitspike.datasets import default_root

_NOT_FOR_USERS = {"dev", "docs", "peer"}
_VARIABLES = (
    "BITSPIKE_BACKEND", "BITSPIKE_DATA", "NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS",
)  # fmt: skip
_AFFINITY = hasattr(os, "sched_getaffinity")  # the processors that this process may use
_TOLERANCE = 1e-5


def _requirements() -> dict[str, list[str]]:
    """Return the packages of each extra, as the installed package's metadata has them."""
    needs: dict[str, list[str]] = {}
    for line in metadata.requires("bitspike") or []:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra\s*==\s*['\"](\w+)", line)
        if name and extra and name[0] != "bitspike" and extra[1] not in _NOT_FOR_USERS:
            needs.setdefault(extra[1], []).append(name[0])
    return needs


def _installed(package: str) -> str | None:
    """Return the version of a package; None if it is absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _examine() -> dict[str, Any]:
    """Return all findings, in types that JSON has."""
    numba = _numba()
    checks = _self_test() if "error" not in numba else []
    return {
        "versions": {
            "bitspike": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": _installed("numpy"),
            **{name: numba[name] for name in ("numba", "llvmlite") if name in numba},
            **({"triton": _installed("triton")} if util.find_spec("triton") else {}),
        },
        "extras": {
            extra: {package: _installed(package) for package in packages}
            for extra, packages in _requirements().items()
        },
        "machine": {
            "system": platform.platform(),
            "processor": numba.get("processor") or platform.processor() or platform.machine(),
            "cores": len(os.sched_getaffinity(0)) if _AFFINITY else os.cpu_count(),
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
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "self-test": checks,
        "healthy": "error" not in numba and all(check["holds"] for check in checks),
    }


def _numba() -> dict[str, Any]:
    if util.find_spec("numba") is None:
        return {"error": "not installed: pip install numba"}
    try:
        return kernels.describe_numba()
    except Exception as error:  # a broken installation can raise anything
        return {"error": f"{type(error).__name__}: {error}".split("\n")[0]}


def _triton() -> str:
    if util.find_spec("triton") is None:
        return "not installed"
    if not torch.cuda.is_available():
        return "no GPU that torch can use"
    return kernels.triton_unsupported(torch.device("cuda", 0)) or "yes"


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
    """Print the findings; the exit code is 1 if the kernels do not run or compute wrongly."""
    findings = _examine()
    code = 0 if findings["healthy"] else 1
    if args.json:
        print_json(findings)
        return code
    rows: list[tuple[str, object]] = [*findings["versions"].items()]
    for extra, packages in findings["extras"].items():
        missing = [name for name, version in packages.items() if version is None]
        cure = f'{", ".join(missing)} missing: pip install "bitspike[{extra}]"'
        rows.append((f"[{extra}]", cure if missing else "complete"))
    for part in ("machine", "threads", "backends", "places", "environment"):
        head = f"{part}: " if part in ("threads", "backends") else ""
        rows += [(f"{head}{name}", value) for name, value in findings[part].items()]
    for check in findings["self-test"]:
        verdict = "ok" if check["holds"] else "FAILED"
        rows.append((f"self-test: {check['name']}", f"{verdict}, {check['found']}"))
    say(pairs([(name, "none" if value is None else value) for name, value in rows]))
    say("\nNot well: what failed stands above." if code else "\nAll is well.")
    return code


# -- the self-test -------------------------------------------------------------------------------


def _self_test() -> list[dict[str, Any]]:
    """Run a small network on both backends; return each comparison and whether it holds.

    The first time on a machine kernels are compiled. A kernel that raises does not hold.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = layer.Linear(96, 10)
        net = nn.Sequential(neuron.LIFNode(), linear, neuron.LIFNode())
        functional.set_step_mode(net, "m")
        nn.init.uniform_(linear.weight, -0.3, 0.5)  # so that both layers fire, and not always
        x = 3 * torch.rand(16, 8, 96)
    began = time.perf_counter()
    try:
        spikes, grad = _run(net, x, "numba")
    except Exception as error:  # a broken compiler can raise anything
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        return [{"name": "kernels run", "holds": False, "found": reason}]
    took = time.perf_counter() - began
    expected, expected_grad = _run(net, x, "eager")
    differing, rate = int((spikes != expected).sum()), float(expected.mean())
    apart = float((grad - expected_grad).abs().max() / expected_grad.abs().max())
    return [
        {"name": "kernels run", "holds": True, "found": f"{took:.2f} s, compilation included"},
        {
            "name": "spikes",
            "holds": differing == 0 and 0 < rate < 1,
            "found": f"{differing} of {spikes.numel()} differ, {rate:.0%} are 1",
        },
        {
            "name": "gradients",
            "holds": apart <= _TOLERANCE,
            "found": f"{apart:.1e} apart, {_TOLERANCE:.0e} allowed",
        },
    ]


def _run(net: nn.Sequential, x: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    """Return output spikes, and the gradient of their rates with respect to the input."""
    x = x.clone().requires_grad_()
    functional.set_backend(net, backend)
    with kernels.use_backend(backend):
        spikes = net(x)
        (spikes.mean(0) - 0.5).square().sum().backward()
    functional.reset_net(net)
    assert x.grad is not None  # noqa: S101
    return torch.as_tensor(spikes.detach()).clone(), x.grad
