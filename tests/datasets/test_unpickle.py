import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitspike.datasets._unpickle import load_arrays


class Evil:
    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.call = call
        self.args = args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.args


@pytest.mark.parametrize("protocol", range(6))
def test_refuses_to_run_a_command(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    content = pickle.dumps([Evil(os.system, f"touch {mark}")], protocol=protocol)
    with pytest.raises(pickle.UnpicklingError, match=r"refused: .*posix\.system|nt\.system"):
        load_arrays(io.BytesIO(content))
    assert not mark.exists()


@pytest.mark.parametrize("call", [eval, exec, getattr, np.load, np.fromfile, Path])
def test_refuses_what_arrays_do_not_need(call: Callable[..., Any]) -> None:
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        load_arrays(io.BytesIO(pickle.dumps(Evil(call, "1"), protocol=2)))


@pytest.mark.parametrize("protocol", [3, 4])
def test_loads_arrays(protocol: int) -> None:
    arrays = (np.arange(6, dtype=np.float32).reshape(2, 3), np.array([3, 1], dtype=np.int64))
    loaded = load_arrays(io.BytesIO(pickle.dumps([arrays, arrays], protocol=protocol)))
    for pair in loaded:
        for array, expected in zip(pair, arrays, strict=True):
            np.testing.assert_array_equal(array, expected, strict=True)


def test_loads_what_python_2_wrote() -> None:
    # ndarray of '<f4', as the pickle of MNIST has it: raw bytes in a Python 2 string.
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x08" + np.array([0.5, -2], "<f4").tobytes() + b"tb."
    )
    np.testing.assert_array_equal(load_arrays(io.BytesIO(content)), np.array([0.5, -2], np.float32))
