"""Products and sums over a batch that are the same to the bit for any number of threads.

torch divides a long sum among its threads: with another number of them it is rounded in another
way. After ``torch.use_deterministic_algorithms(True)`` the batch is cut into parts that depend on
its sizes alone, each part is computed on one thread, and sums are added in order. As many parts are
computed at once as there are threads, but these share the cores for a while with OpenMP's, which
spin: a step of a small convolutional network takes 5 to 12 % longer.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch
from torch import Tensor

PART = 1 << 27  # products that are worth a part of their own
PARTS = 16


@lru_cache(1)
def _workers(count: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001 -- forks have none
    """Threads on each of which torch computes alone."""
    threads, here = torch.get_num_threads(), threading.Barrier(count)

    def compute_alone() -> None:
        torch.get_num_threads()  # a new thread takes the number of all over at its first question
        torch.set_num_threads(1)
        here.wait()

    pool = ThreadPoolExecutor(count, "bitspike-parts", compute_alone)
    for started in [pool.submit(int) for _ in range(count)]:
        started.result()
    torch.set_num_threads(threads)  # what threads that start later take over
    return pool


def _on_parts(
    function: Callable[..., Tensor], batches: tuple[Tensor, ...], products: int
) -> list[Tensor]:
    """What ``function`` gives for each part of the batches, without gradients."""
    parts = max(1, min(PARTS, products // PART, len(batches[0])))
    parts = 1 << parts.bit_length() - 1  # the same work for two, four, ... threads
    pieces = list(zip(*(batch.chunk(parts) for batch in batches), strict=True))
    threads = min(torch.get_num_threads(), PARTS)
    inference = torch.is_inference_mode_enabled()  # which is a matter of each thread

    def on_piece(piece: tuple[Tensor, ...]) -> Tensor:
        with torch.inference_mode(inference), torch.no_grad():
            return function(*piece)

    if threads == 1:
        return list(map(on_piece, pieces))
    return list(_workers(threads, os.getpid()).map(on_piece, pieces))


def sum_of_parts(function: Callable[..., Tensor], *batches: Tensor, products: int) -> Tensor:
    """``function(*batches)``, which is a sum over their first axis.

    Args:
        function: gives a new tensor; it may be called from other threads.
        *batches: tensors with the same first axis.
        products: how many numbers it multiplies and adds.
    """
    if not torch.are_deterministic_algorithms_enabled():
        return function(*batches)
    total, *others = _on_parts(function, batches, products)
    for one in others:
        total += one
    return total


def product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """``torch.mm(a, b, out=out)``, without gradients."""
    if not torch.are_deterministic_algorithms_enabled():
        return torch.mm(a, b, out=out)
    _on_parts(lambda rows, to: torch.mm(rows, b, out=to), (a, out), a.numel() * b.shape[1])
    return out
