"""What becomes of a kernel when its cache on the disk fails: it is compiled, and says so once."""

import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.processes import Process

# Two kernels, so that two warnings would be seen, called in a process of its own.
TINY = """
import sys, warnings
import numba, numpy as np
from bitspike.kernels.runtime.numba_kernel import Kernel

def double(x):
    for i in numba.prange(len(x)):
        x[i] *= 2

def triple(x):
    for i in numba.prange(len(x)):
        x[i] *= 3

def run():
    kernels, x = [Kernel(double), Kernel(triple)], np.arange(4.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kernel in kernels:
            kernel(x, work=1)
    for warning in caught:
        print(warning.message, file=sys.stderr)
    hits = sum(sum(form.stats.cache_hits.values()) for k in kernels for form in k._forms.values())
    print(x.tolist(), hits)
"""
RUN = "import tiny; tiny.run()"
RIGHT = "[0.0, 6.0, 12.0, 18.0]"


def run_in(folder: Path, code: str = RUN) -> tuple[str, str]:
    """Runs the kernels with a cache below ``folder``: standard output and error."""
    if not (folder / "tiny.py").exists():
        (folder / "tiny.py").write_text(TINY)
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    done = Process(code, environment=cache, folder=folder).wait()
    assert done.code == 0, done.err
    return done.out.strip(), done.err.strip()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    return partial(run_in, tmp_path)


def cached(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_the_second_process_finds_them(run: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    assert run() == (f"{RIGHT} 0", "")
    assert {path.suffix for path in cached(tmp_path)} == {".nbi", ".nbc"}
    assert run() == (f"{RIGHT} 2", "")


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="the system limits no files")
@pytest.mark.parametrize("most", [100, 3000])
def test_a_full_disk(run: Callable[..., tuple[str, str]], tmp_path: Path, most: int) -> None:
    """With files of that many bytes at most: neither index nor machine code, or the index."""
    limit = f"import resource, tiny; resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}));"
    out, err = run(f"{limit} tiny.run()")
    assert out == f"{RIGHT} 0"
    assert err.count("\n") == 0, "one warning for two kernels"
    assert "cannot be cached ([Errno 27] File too large)" in err
    assert "NUMBA_CACHE_DIR" in err
    assert all(path.suffix == ".nbi" for path in cached(tmp_path)), "no half of a file"
    assert run() == (f"{RIGHT} 0", "")
    assert run() == (f"{RIGHT} 2", "")


def test_no_permission(run: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    """To write, then to read; root may do everything, so the answer is made here."""
    refuse = (
        "import tiny\n"
        "from numba.core import caching\n"
        "def refuse(self, *args): raise PermissionError(13, 'Permission denied')\n"
        "caching.IndexDataCacheFile.{} = refuse\n"
        "tiny.run()\n"
    )
    for method in ("_save_index", "_load_index"):
        out, err = run(refuse.format(method))
        assert out == f"{RIGHT} 0"
        assert err.count("\n") == 0
        assert "Permission denied" in err
    assert run() == (f"{RIGHT} 0", "")


def test_no_folder_at_all(run: Callable[..., tuple[str, str]]) -> None:
    out, err = run(
        "import tiny\n"
        "from numba.core import caching\n"
        "caching.CompileResultCacheImpl._locator_classes = []\n"
        "tiny.run()\n"
    )
    assert out == f"{RIGHT} 0"
    assert err.count("\n") == 0
    assert "no locator available" in err


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Path, bytes]]:
    """A folder whose cache is filled, and what that holds."""
    folder = tmp_path_factory.mktemp("warm")
    run_in(folder)
    return folder, {path: path.read_bytes() for path in cached(folder)}


def flip(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def garbage(content: bytes) -> bytes:
    return random.Random(0).randbytes(len(content))  # noqa: S311


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [(".nbi", half), (".nbi", garbage), (".nbc", lambda _: b""), (".nbc", half), (".nbc", flip)],
    ids=["half an index", "another index", "no code", "half the code", "a bit of code"],
)
def test_damaged_files_are_made_anew(
    warm: tuple[Path, dict[Path, bytes]], suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    folder, files = warm
    for path, content in files.items():
        path.write_bytes(damage(content) if path.suffix == suffix else content)
    assert run_in(folder) == (f"{RIGHT} 0", "")
    assert run_in(folder) == (f"{RIGHT} 2", "")
