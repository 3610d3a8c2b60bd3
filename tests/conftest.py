from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from bitspike import kernels
from bitspike.datasets import MNIST, download

# No test may depend on how fast the machine is.
settings.register_profile("bitspike", deadline=None)
settings.load_profile("bitspike")

# The files that take long, most of it to compile kernels, which others then find on the disk. They
# begin, so that no process is left alone at the end, and neighbours need different kernels.
LONG = (
    "tests/fuzz/test_fuzz.py",
    "tests/kernels/conv/test_dense.py",
    "tests/kernels/runtime/test_double_backward.py",
    "tests/kernels/scan/test_numba.py",
    "tests/layer/test_fused_sequential.py",
    "tests/kernels/scan/test_random_steps.py",
    "tests/cli/test_look.py",
    "tests/playground/test_app.py",
    "tests/base/test_checkpoint.py",
    "tests/examples/",
    "tests/docs/test_code_blocks.py",
)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Keep the tests of a file in one process, where `make test` runs several.

    Those of ``tests/differential`` as well: one looks at what the others have compared.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return "differential" if "/differential/" in path else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    """Return what shares the tests out among processes, in the order of `LONG`."""
    config.option.loadscopereorder = False
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take long first."""

    def place(item: pytest.Item) -> int:
        return next((i for i, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))

    items.sort(key=place)


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder with the real MNIST; fetched once, then found in the user's cache."""
    return download(MNIST)


@pytest.fixture(autouse=True)
def _reproducible() -> Iterator[None]:
    """The same random numbers for every test; threads as they were."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def strict() -> Iterator[None]:
    """torch's deterministic mode."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def _backend(request: pytest.FixtureRequest) -> Iterator[None]:
    """The eager reference, unless the test is marked ``backend(name)``.

    Kernels are tested against the reference, so that most tests need not compile any.
    """
    marker = request.node.get_closest_marker("backend")
    with kernels.use_backend(marker.args[0] if marker else "eager"):
        yield


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba's kernels of the scan, not compiled: for the many combinations."""
    from tests.interpreted import interpret

    interpret(monkeypatch)
