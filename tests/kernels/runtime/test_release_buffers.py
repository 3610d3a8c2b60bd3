"""Buffers that are used again."""

import torch

from bitspike import kernels
from bitspike.kernels.runtime.buffers import pool

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


def test_released_buffers_are_not_used_again_and_what_is_in_use_stays() -> None:
    kept = pool.empty((400, 200), torch.float32).fill_(3)
    kernels.release_buffers()
    assert pool.users(kept) is None
    assert kept.eq(3).all()
    fresh = pool.empty((400, 200), torch.float32)
    assert fresh.data_ptr() != kept.data_ptr()
    assert pool.users(fresh) == 1
