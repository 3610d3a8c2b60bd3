"""The batches of one epoch, in an order that depends on nothing but (seed, epoch)."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import Protocol

import torch

from bitspike._seeds import seed_of

# A block is large enough that handing it over costs little, and small enough that the few blocks
# in use stay in the cache: 1024 images of 28 x 28 are 3 MB, 2048 of them as constant-rate bits over
# 100 steps are 5 MB.
_BLOCK_PIXELS = 1024 * 28 * 28
_ENCODED_PIXELS = 2048 * 28 * 28
_BLOCK_BATCHES = 64
_GROWTH = 4  # from block to block: the first ones are small, so that training starts soon

Pair = tuple[torch.Tensor, torch.Tensor]


class BatchSource(Protocol):
    """A data set for `Batches`, with a length, and whole batches by slice or index tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice | torch.Tensor, /) -> Pair: ...


class Encoder(Protocol):
    """An encoder for `Batches`, such as `bitspike.encoding.PoissonSequences`."""

    def __call__(self, images: torch.Tensor, first: int, /) -> torch.Tensor:
        """Return a sequence ``[T, N, ...]`` of images ``[N, ...]`` numbered from `first`."""


class Batches:
    """Iterate over the batches of one epoch, prepared ahead if wanted.

    The order is a pure function of `seed` and `epoch`; PyTorch's global random state is neither
    used nor changed. The batches are the same, bit by bit, for any `workers` and `device`, and in
    every iteration.

    With ``workers > 0`` threads gather and convert some dozens of batches at a time, and a batch
    is a view into such a block: clone it to keep it without the rest of its block.

    Args:
        dataset: for example a `MNIST`.
        batch_size: images per batch; the last batch may be smaller.
        shuffle: use a random order instead of the data set's.
        seed: any integer.
        epoch: number of the epoch, from 0.
        start: number of batches to skip, to go on in the middle of an epoch.
        workers: number of threads; 0 prepares each batch on request.
        device: device of the batches. With workers, they reach CUDA through pinned memory.
        drop_last: leave out the last batch if it is smaller.
        encoder: turns images into sequences, in the threads of the workers if there are any. It
            is called with images and the number of the first one in this order; the sequence of
            an image must depend on nothing but the image and its number.

    Yields:
        (images float32 [B, 1, 28, 28], labels int64 [B]); with an encoder, its sequences
        [T, B, ...] in place of images.

    Raises:
        ValueError: an argument is out of range; the message names it.
    """

    def __init__(
        self,
        dataset: BatchSource,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        workers: int = 0,
        device: str | torch.device = "cpu",
        drop_last: bool = False,
        encoder: Encoder | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = _integer(1, batch_size, "batch_size")
        self.shuffle = shuffle
        self.seed = _integer(None, seed, "seed")
        self.epoch = _integer(0, epoch, "epoch")
        self.workers = _integer(0, workers, "workers")
        self.drop_last, self.encoder = drop_last, encoder
        if drop_last and self.batch_size > len(dataset):
            raise ValueError(
                f"batch_size is {batch_size}, the data set has {len(dataset)} images: "
                "with drop_last no batch is left"
            )
        self.start = _integer(0, start, "start")
        if start > len(self):
            raise ValueError(f"start is {start}, but an epoch has only {len(self)} batches")
        try:
            self.device = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"device: {error}") from error

    def __len__(self) -> int:
        """Return the number of batches in the whole epoch, whatever `start` is."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Pair]:
        order = None
        if self.shuffle:
            generator = torch.Generator().manual_seed(seed_of(self.seed, self.epoch, octets=4))
            order = torch.randperm(len(self.dataset), generator=generator)
        alone = (self._gather(order, batch, 1) for batch in range(self.start, len(self)))
        axis = 0 if self.encoder is None else 1
        pinned = self.workers > 0 and self.device.type == "cuda"
        for block in self._prefetch(order) if self.workers else alone:
            # Copied here, in the CUDA stream of the thread that uses the batches.
            images, labels = (x.to(self.device, non_blocking=pinned) for x in block)
            if not self.workers:
                yield images, labels
                continue
            batches = torch.split(images, self.batch_size, axis)
            yield from zip(batches, torch.split(labels, self.batch_size), strict=True)

    def _gather(self, order: torch.Tensor | None, batch: int, count: int) -> Pair:
        """Return `count` batches from number `batch` on as one block."""
        last = min(batch + count, len(self)) * self.batch_size
        part = slice(batch * self.batch_size, min(last, len(self.dataset)))
        images, labels = self.dataset[part if order is None else order[part]]
        return images if self.encoder is None else self.encoder(images, part.start), labels

    def _prefetch(self, order: torch.Tensor | None) -> Iterator[Pair]:
        """Yield blocks that threads gather ahead."""
        largest = 1  # batches in a block; the first block shows how many fit
        depth = 2  # blocks ahead; more only if training has to wait, since they fill the cache

        def plan() -> Iterator[tuple[int, int]]:
            batch, count = self.start, 1
            while batch < len(self):
                yield batch, count
                batch, count = batch + count, min(_GROWTH * count, largest)

        def prepare(batch: int, count: int) -> Pair:
            images, labels = self._gather(order, batch, count)
            if self.device.type == "cuda":
                return images.pin_memory(), labels.pin_memory()
            return images, labels

        blocks = plan()
        ahead: deque[Future[Pair]] = deque()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="bitspike-batches")

        def refill() -> None:
            for batch, count in islice(blocks, depth - len(ahead)):
                # In the caller's context, which holds the backend.
                ahead.append(pool.submit(copy_context().run, prepare, batch, count))

        try:
            refill()
            waited = False
            while ahead:
                block = ahead.popleft()
                late = waited and not block.done()
                images, labels = block.result()
                waited = True
                if late and len(labels) >= largest * self.batch_size:  # not one of the first
                    depth = min(depth + 1, self.workers + 1)
                largest = self._batches_in_block(images)
                refill()
                yield images, labels
        finally:
            pool.shutdown(cancel_futures=True)

    def _batches_in_block(self, images: torch.Tensor) -> int:
        """Return the number of batches in a block of such images, or sequences of them."""
        axis, room = (1, _BLOCK_PIXELS) if self.encoder is None else (2, _ENCODED_PIXELS)
        pixels = images.shape[axis:].numel()
        return max(1, min(_BLOCK_BATCHES, room // (max(1, pixels) * self.batch_size)))


def _integer(least: int | None, value: int, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, must be an integer")  # noqa: TRY004
    if least is not None and value < least:
        raise ValueError(f"{name} is {value}, must be at least {least}")
    return value
