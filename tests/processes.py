"""Run code in processes of their own, forked from a server that has imported what takes long.

A new interpreter needs seconds for torch, Numba and matplotlib, a fork a moment. It is as good
where the process is the point: its signals and limits, its threads, its end. Tests of what a new
interpreter does (imports, hash seeds, options of Python) start one by `fresh`.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PRELOADED = [
    "bitspike.examples.lif_fc_mnist",
    "bitspike.kernels.runtime.numba_kernel",
    "filelock",
    "matplotlib.backends.backend_agg",
    "numba.parfors.parfor_lowering",
    "rich.table",
    "torch._dynamo",  # which torch's optimizers import
    "torch.utils.tensorboard",
]


@dataclass(frozen=True)
class Finished:
    """What a process left behind."""

    code: int
    out: str
    err: str


def fresh(code: str, *argv: str | Path, options: tuple[str, ...] = (), **settings: Any) -> Finished:
    """Run code in a new interpreter; ``settings`` are those of `subprocess.run`."""
    command = [sys.executable, *options, "-c", code, *argv]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, **settings
    )
    return Finished(done.returncode, done.stdout, done.stderr)


class Process:
    """Code at work in a process of its own.

    Args:
        code: a program in Python.
        *argv: its arguments.
        names: global names that it finds, which can be pickled.
        environment: what its environment has beside that of the tests.
        folder: where it works; None: where the tests do.
    """

    def __init__(
        self,
        code: str,
        *argv: str | Path,
        names: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        out, err = context.Pipe(duplex=False), context.Pipe(duplex=False)
        self._readers = out[0], err[0]
        self._process = context.Process(
            target=_work,
            args=(
                code, [str(arg) for arg in argv], dict(names or {}), dict(environment or {}),
                folder, out[1], err[1],
            ),
            daemon=True,
        )  # fmt: skip
        self._process.start()
        for _, writer in (out, err):
            writer.close()

    def alive(self) -> bool:
        """Whether it still works."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()

    def wait(self) -> Finished:
        """Wait until it has ended."""
        out, err = map(_read_all, self._readers)
        self._process.join()
        code = self._process.exitcode
        assert code is not None
        self._process.close()
        return Finished(code, out, err)


def _read_all(pipe: Connection) -> str:
    with pipe, os.fdopen(os.dup(pipe.fileno()), encoding="utf-8") as file:
        return file.read()


def _work(
    code: str,
    argv: list[str],
    names: dict[str, Any],
    environment: dict[str, str],
    folder: Path | None,
    out: Connection,
    err: Connection,
) -> None:
    for number, pipe in ((1, out), (2, err)):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    # As in a terminal: a shell that starts the tests in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("error")
    os.environ.update(environment)
    if any(name.startswith("NUMBA_") for name in environment):
        from numba.core.config import reload_config

        reload_config()  # type: ignore[no-untyped-call]
    if folder:
        os.chdir(folder)
    sys.path.insert(0, "")
    sys.argv = ["-c", *argv]
    exec(code, {"__name__": "__main__", **names})  # noqa: S102
