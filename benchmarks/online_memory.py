"""Peak memory of training on one batch over T, online and by BPTT.

``python -m benchmarks.online_memory`` prints a table; each figure is from a process of its own.
"""

import ctypes
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bitspike import functional, layer, neuron
from bitspike.learning import EPropNetwork
from bitspike.learning.online_learning import (
    eprop_online_training,
    fptt_online_training,
    fptt_online_training_init_w_ra,
    ottt_online_training,
    sltt_online_training,
)

STEPS = (10, 100, 1000)
B, I, H, O = 64, 100, 256, 10  # noqa: E741
Step = Callable[[Tensor, Tensor], object]


def plain(step_mode: str = "s") -> nn.Module:
    """Return a network with a hidden layer of LIF neurons."""
    net = nn.Sequential(layer.Linear(I, H), neuron.LIFNode(tau=20.0), layer.Linear(H, O))
    functional.set_step_mode(net, step_mode)
    return net


def bptt() -> tuple[nn.Module, Step]:
    """Run BPTT on the fused kernels, with spikes stored as bits."""
    net = plain("m")

    def step(x_seq: Tensor, target: Tensor) -> None:
        torch.autograd.backward(F.mse_loss(net(x_seq.transpose(0, 1)), target.transpose(0, 1)))

    return net, step


def bptt_by_steps() -> tuple[nn.Module, Step]:
    """Run BPTT in a loop of single steps, which autograd records."""
    net = plain()

    def step(x_seq: Tensor, target: Tensor) -> None:
        y = torch.stack([net(x_seq[:, t]) for t in range(x_seq.shape[1])], 1)
        torch.autograd.backward(F.mse_loss(y, target))

    return net, step


def ottt() -> tuple[nn.Module, Step]:
    """Run OTTT."""
    net = layer.OTTTSequential(nn.Linear(I, H), neuron.OTTTLIFNode(tau=20.0), nn.Linear(H, O))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return net, lambda x, y: ottt_online_training(net, optimizer, x, y, F.mse_loss, False)


def sltt() -> tuple[nn.Module, Step]:
    """Run SLTT."""
    net = plain()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return net, lambda x, y: sltt_online_training(net, optimizer, x, y, F.mse_loss, False)


def fptt() -> tuple[nn.Module, Step]:
    """Run FPTT."""
    net = plain()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    w_ra = fptt_online_training_init_w_ra(optimizer)

    def step(x_seq: Tensor, target: Tensor) -> None:
        x_seq, target = x_seq.transpose(0, 1), target.transpose(0, 1)
        fptt_online_training(net, optimizer, x_seq, target, F.mse_loss, 0.5, w_ra)

    return net, step


def eprop() -> tuple[nn.Module, Step]:
    """Run e-prop on a recurrent layer; most of its memory are eligibilities."""
    net = EPropNetwork(I, H, O)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return net, lambda x, y: eprop_online_training(net, optimizer, x, y, F.mse_loss, False)


METHODS: dict[str, Callable[[], tuple[nn.Module, Step]]] = {
    "BPTT": bptt,
    "BPTT step by step": bptt_by_steps,
    "OTTT": ottt,
    "SLTT": sltt,
    "FPTT": fptt,
    "e-prop": eprop,
}


def status(field: str) -> int:
    """Return a figure of Linux about this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def peak(method: str, T: int) -> float:
    """Return the MiB of a batch beyond the resident memory after a batch with T = 2.

    Input and target are the same at each step and take no memory over T.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net, step = METHODS[method]()
    x, target = torch.rand(B, 1, I), torch.rand(B, 1, O)
    step(x.expand(B, 2, I), target.expand(B, 2, O))
    functional.reset_net(net)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = status("VmRSS")
    step(x.expand(B, T, I), target.expand(B, T, O))
    return (status("VmHWM") - before) / 2**20


def main() -> None:
    """Print the table."""
    print(f"| MiB at B={B}, {I}-{H}-{O} | " + " | ".join(f"T={T}" for T in STEPS) + " |")
    print("| --- |" + " ---: |" * len(STEPS))
    for method in METHODS:
        figures = []
        for T in STEPS:
            command = [sys.executable, "-m", "benchmarks.online_memory", method, str(T)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
            figures.append(f"{float(done.stdout):.1f}")
        print(f"| {method} | " + " | ".join(figures) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(peak(sys.argv[1], int(sys.argv[2])))
    else:
        main()
