"""Training and inference of fully connected networks on Poisson-coded MNIST images."""

import torch

from benchmarks import _measure, _peer
from bitspike.datasets import MNIST

CASES = {
    "784-10": ([784, 10], 100, 64),
    "784-256-10": ([784, 256, 10], 25, 128),
    "784-800-10": ([784, 800, 10], 100, 64),
}
CONTENDERS = {
    "bitspike": ("bitspike", "m"),
    "bitspike single-step": ("bitspike", "s"),
    "SpikingJelly": ("SpikingJelly", "m"),
    "SpikingJelly single-step": ("SpikingJelly", "s"),
}


def same_answer(sizes: list[int], T: int, image: torch.Tensor) -> None:
    """Both libraries must answer the same spikes with the same rates, or nothing is timed."""
    spikes = (torch.rand(T, *image.shape) < image).float()
    rates = []
    for library in _peer.LIBRARIES:
        functional = _peer.modules(library)[1]
        net = _peer.fully_connected(library, sizes, "m")
        with torch.no_grad():
            rates.append(net(spikes).mean(0))
        functional.reset_net(net)
    differing = (rates[0] - rates[1]).abs().mul(T).round().sum() / (T * rates[0].numel())
    if float(differing) > 1e-3:  # spikes at the threshold, decided by rounding
        raise AssertionError(f"{sizes}: {float(differing):.2%} of the output spikes differ")


def run() -> list[str]:
    """Measures all cases and returns the tables."""
    data = MNIST()
    tables = []
    for what in ("training", "inference"):
        rows = []
        for name, (sizes, T, B) in CASES.items():
            image, label = data[:B]
            same_answer(sizes, T, image)
            steps = {
                contender: _peer.train_step(library, sizes, mode, T, image, label)
                if what == "training"
                else _peer.inference_step(library, sizes, mode, T, image)
                for contender, (library, mode) in CONTENDERS.items()
            }
            times = _measure.milliseconds(steps)
            best = min(times["SpikingJelly"], times["SpikingJelly single-step"])
            row = {"network": name, "T": T, "batch": B}
            row |= {f"{contender}, ms": value for contender, value in times.items()}
            rows.append({**row, "ratio": best / times["bitspike"]})
        title = f"One step of {what} (ratio: the faster mode of SpikingJelly to bitspike)"
        tables.append(_measure.save(f"fully_connected_{what}", title, rows))
    return tables
