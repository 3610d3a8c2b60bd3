"""The real MNIST, through the real chain of sources."""

from pathlib import Path

import torch

from bitspike.datasets import MNIST, Batches


def test_mnist(mnist_root: Path) -> None:
    train = MNIST(mnist_root)
    test = MNIST(mnist_root, train=False)
    assert train.official
    assert test.official
    assert len(train) == 60_000
    assert len(test) == 10_000
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert train.labels.bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    # The mean that everybody normalises with.
    assert round(train.images.double().mean().item() / 255, 4) == 0.1307


def test_one_epoch_of_mnist(mnist_root: Path) -> None:
    train = MNIST(mnist_root)
    plain = Batches(train, 64, shuffle=True, seed=5, epoch=1)
    ahead = Batches(train, 64, shuffle=True, seed=5, epoch=1, workers=1)
    count = torch.zeros(10, dtype=torch.int64)
    for (images, labels), (same_images, same_labels) in zip(plain, ahead, strict=True):
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)
        count += labels.bincount(minlength=10)
    assert torch.equal(count, train.labels.bincount())
