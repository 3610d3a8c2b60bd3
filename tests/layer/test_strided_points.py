"""Convolutions of kernel 1 and a stride, which torch computes wrongly of channels-last input.

As torch's kernel may destroy the heap or never return, each test runs in a process of its own.
oneDNN is told to use its kernels for AVX2, which are the wrong ones, on any processor that has it.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytestmark = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="oneDNN has other kernels for this processor",
)

STARTED, RIGHT = "started", "right"
FORMS = ["dense", "single-step", "valid", "padding-mode", "spikes", "container"]

Conv = Callable[[Tensor, Tensor, int], Tensor]  # of input, weight and stride


def gradients(conv: Conv, x: Tensor, weight: Tensor, stride: int) -> list[Tensor]:
    weight = weight.detach().requires_grad_()
    y = conv(x, weight, stride)
    g = torch.sin(torch.arange(float(y.numel()), dtype=y.dtype)).view(y.shape)
    return [y.detach(), *torch.autograd.grad(y, weight, g)]


def cases() -> Iterator[tuple[Tensor, Tensor, int]]:
    for stride, side in ((2, 8), (3, 9), (4, 28)):
        for channels in range(1, 10):
            for outputs in (3, 8):
                x, weight = (
                    torch.randn(8, channels, side, side),
                    torch.randn(outputs, channels, 1, 1),
                )
                yield (x > -0.5).float(), weight, stride


def of_torch_in_order(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return F.conv2d(x, weight, stride=stride)


def is_right(conv: Conv, x: Tensor, weight: Tensor, stride: int) -> bool:
    exact = gradients(of_torch_in_order, x.double(), weight.double(), stride)
    return all(
        torch.allclose(got.double(), want, rtol=1e-4, atol=1e-4 * float(want.abs().max()))
        for got, want in zip(gradients(conv, x, weight, stride), exact, strict=True)
    )


def of_torch(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    _, C, H, W = x.shape
    lying = x.permute(0, 2, 3, 1).contiguous().as_strided(x.shape, (C * H * W, 1, W * C, C))
    return F.conv2d(lying, weight, stride=stride)


def of_layer(form: str) -> Conv:
    """The layer on a sequence, as a convolution of ``[T * B, C, H, W]``."""
    from bitspike import layer
    from bitspike.spikes import pack

    def conv(x: Tensor, weight: Tensor, stride: int) -> Tensor:
        outputs, channels = weight.shape[:2]
        module = layer.Conv2d(channels, outputs, 1, stride, bias=False, step_mode="m")
        del module.weight
        module.weight = weight
        if form == "valid":
            module.padding = "valid"
        if form == "padding-mode":
            module.padding_mode = "circular"
        x_seq = x.unflatten(0, (4, 2))  # type: ignore[no-untyped-call]
        if form == "spikes":
            x_seq = pack(x_seq, 2)
        if form == "container":
            plain = torch.nn.Conv2d(channels, outputs, 1, stride, bias=False)
            del plain.weight
            plain.weight = weight
            lying = x_seq.movedim(2, -1).contiguous().movedim(-1, 2)
            shortcut = torch.nn.Sequential(torch.nn.Identity(), plain)
            return layer.SeqToANNContainer(shortcut)(lying).flatten(0, 1)  # type: ignore[no-any-return]
        if form == "single-step":
            module.step_mode = "s"
            return module(x.contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]
        return module(x_seq).flatten(0, 1)  # type: ignore[no-any-return]

    return conv


def run(what: str) -> "subprocess.CompletedProcess[str]":
    """This file as a program; it is stopped after two minutes."""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    command = [sys.executable, str(Path(__file__)), what]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment, check=False
        )
    except subprocess.TimeoutExpired as late:
        written = (late.stdout or b"", late.stderr or b"")
        return subprocess.CompletedProcess(command, -1, *(str(text) for text in written))


@pytest.mark.skipif(
    tuple(int(n) for n in torch.__version__.split(".")[:2]) < (2, 13),
    reason="known to be wrong in torch 2.13",
)
def test_torch_is_still_wrong() -> None:
    done = run("torch")
    assert STARTED in done.stdout, done.stderr
    assert RIGHT not in done.stdout, (
        f"torch {torch.__version__} computes the gradients of strided convolutions of kernel 1 "
        "rightly: remove skips_pixels from bitspike.kernels.conv.dense, and this file"
    )


def test_layers_are_right() -> None:
    done = run("layers")
    assert done.stdout.split() == [STARTED, *(word for form in FORMS for word in (form, RIGHT))], (
        done.stdout + done.stderr
    )


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(what: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    harmless = torch.randn(2, 8, 4, 4), torch.randn(8, 8, 3, 3), 1
    assert is_right(of_torch_in_order, *harmless)
    _say(STARTED)
    convs = {"torch": of_torch} if what == "torch" else {form: of_layer(form) for form in FORMS}
    for name, conv in convs.items():
        _say(name)
        for case in cases():
            if not is_right(conv, *case):
                sys.exit(f"{name} is wrong of {[tuple(t.shape) for t in case[:2]]}")
        _say(RIGHT)


if __name__ == "__main__":
    main(sys.argv[1])
