"""Buffers that are used again."""

import torch

from bitspike.kernels.numba._memory import pool

SHAPE = (300, 301)


def test_a_buffer_is_used_again_when_nobody_holds_it() -> None:
    buffer = pool.empty(SHAPE, torch.float32)
    address = buffer.data_ptr()
    assert pool.empty(SHAPE, torch.float32).data_ptr() != address
    del buffer
    addresses = {pool.empty(SHAPE, torch.float32).data_ptr() for _ in range(pool.KEPT)}
    assert address in addresses


def test_memory_that_another_process_may_read_is_left_alone() -> None:
    shared = pool.empty(SHAPE, torch.float32).share_memory_()  # type: ignore[no-untyped-call]
    address = shared.data_ptr()
    del shared
    held = [pool.empty(SHAPE, torch.float32) for _ in range(pool.KEPT + 1)]
    assert address not in {buffer.data_ptr() for buffer in held}
