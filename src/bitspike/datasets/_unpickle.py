"""Arrays from a pickle that is not trusted."""

import pickle
from typing import Any, Protocol

import numpy as np

# NumPy's own way to rebuild an array; its module has moved between versions.
_reconstruct = np.empty(0).__reduce__()[0]

_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class Readable(Protocol):
    """What pickle reads from."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self) -> bytes: ...


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows plain containers and NumPy arrays, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up a name that the pickle asks for.

        Raises:
            pickle.UnpicklingError: it is not one that arrays need.
        """
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"refused: the pickle asks for {module}.{name}, which arrays do not need"
            ) from None


def load_arrays(stream: Readable) -> Any:
    """Load a pickle of Python 2 or 3 that holds nothing but containers, numbers and arrays.

    Raises:
        pickle.UnpicklingError: it asks for anything else.
    """
    return ArrayUnpickler(stream, encoding="latin1").load()
