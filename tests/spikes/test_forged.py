"""Spikes whose layout lies are refused: kernels read memory as it says."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike.spikes import ActivePixels, Rows, SpikeTensor, pack
from bitspike.spikes._tensor import rebuild

WORDS = torch.zeros(3, 2, 2, dtype=torch.int64)
STRAY = WORDS.clone()
STRAY[1, 1, 1] = 1 << 40

FORGED: dict[str, tuple[Any, ...]] = {
    "too few words": (WORDS, (5000,), torch.float32, False),
    "too many words": (WORDS, (64,), torch.float32, False),
    "other integers": (WORDS.int(), (100,), torch.float32, False),
    "numbers": (WORDS.double(), (100,), torch.float32, False),
    "no axis": (torch.tensor(0), (1,), torch.float32, False),
    "a negative axis": (WORDS, (-2, -50), torch.float32, False),
    "an axis that is no integer": (WORDS, (100.0,), torch.float32, False),
    "an axis of another kind": (WORDS, "x" * 100, torch.float32, False),
    "an integral dtype": (WORDS, (100,), torch.int64, False),
    "a dtype of another kind": (WORDS, (100,), "float32", False),
    "bits beyond the features": (STRAY, (100,), torch.float32, False),
    "sparse words": (WORDS.to_sparse(), (100,), torch.float32, False),
    "words that are spikes": (pack(torch.ones(3, 2, 2)), (100,), torch.float32, False),
}


@pytest.mark.parametrize("name", FORGED)
def test_unpickling(name: str) -> None:
    with pytest.raises(ValueError, match=r"^spikes"):
        rebuild(*FORGED[name])


class _Forged:
    """What a file's author may write down in place of spikes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, FORGED["too few words"]


def test_a_file() -> None:
    file = io.BytesIO()
    torch.save({"spikes": _Forged()}, file)
    file.seek(0)
    with pytest.raises(ValueError, match=r"words of shape \(3, 2, 2\).*must have 79 words"):
        torch.load(file, weights_only=True)


def test_what_is_right_is_taken() -> None:
    assert torch.equal(
        rebuild(WORDS, (10, 10), torch.float64, False).dense(), torch.zeros(3, 2, 10, 10).double()
    )
    assert rebuild(WORDS[..., :0], (0,), torch.float32, True).requires_grad
    ones = pack(torch.ones(3, 2, 128))
    assert ones.count() == rebuild(ones.words, (128,), torch.float32, False).count() == 768


def test_the_constructor() -> None:
    with pytest.raises(ValueError, match="do not hold 129 features"):
        SpikeTensor(Rows(WORDS, (129,)))


def _pixels(**other: Any) -> dict[str, Any]:
    T, B, size = 70, 2, 9
    right: dict[str, Any] = {
        "index": torch.zeros(B, size + 3, dtype=torch.int32),
        "count": torch.zeros(B, dtype=torch.int32),
        "units": torch.zeros(B, 3, 8, dtype=torch.int64),
        "steps": T,
        "features": (3, 3),
    }
    return right | other


def _zeros(*shape: int, dtype: torch.dtype = torch.int32) -> Tensor:
    return torch.zeros(shape, dtype=dtype)


@pytest.mark.parametrize(
    "other",
    [
        {"features": (3, 4)},
        {"steps": 129},
        {"index": _zeros(2, 11)},
        {"index": _zeros(2, 12, dtype=torch.int64)},
        {"count": _zeros(3)},
        {"units": _zeros(2, 2, 8, dtype=torch.int64)},
        {"units": _zeros(1, 3, 8, dtype=torch.int64)},
    ],
)
def test_active_pixels(other: dict[str, Tensor]) -> None:
    assert SpikeTensor(ActivePixels(**_pixels())).shape == (70, 2, 3, 3)
    with pytest.raises(ValueError, match=r"do not lie in index"):
        ActivePixels(**_pixels(**other))
