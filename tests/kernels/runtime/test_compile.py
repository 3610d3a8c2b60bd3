"""How templates become kernels."""

import subprocess
import sys
from typing import Any

import numba
import numpy as np
import pytest
import torch
from tests.processes import Process

from bitspike import neuron, surrogate
from bitspike.kernels.runtime.numba_simd import CHECKED
from bitspike.kernels.scan import numba as scan
from bitspike.kernels.scan.record import record
from bitspike.surrogate import SurrogateFunctionBase


def test_users_own_surrogate_gets_the_fused_kernel() -> None:
    try:

        class Hat(SurrogateFunctionBase):
            def __init__(self, width: float = 1.0, spiking: bool = True) -> None:
                super().__init__(spiking, width=width)

            @staticmethod
            def primitive(x: Any, width: Any) -> Any:
                return torch.sigmoid(x / width)

            @staticmethod
            def derivative(x: Any, width: Any) -> Any:
                return torch.exp(-torch.abs(x) / width) / (2 * width)

        node = neuron.LIFNode(surrogate_function=Hat(0.5))
        gradients = []
        for backend in ("eager", "numba"):
            node.backend, node.step_mode = backend, "m"
            x = torch.linspace(-1, 3, 40).reshape(10, 2, 2).requires_grad_()
            gradients.append(torch.autograd.grad(node(x).sum(), x)[0])
            node.reset()
        torch.testing.assert_close(*gradients)
        assert gradients[0].abs().max() > 0
    finally:
        surrogate.registry.pop("Hat", None)


@pytest.mark.skipif(CHECKED, reason="kernels that check bounds have one thread")
def test_threads_obey_torch() -> None:
    node = neuron.IFNode(surrogate_function=surrogate.ATan(), step_mode="m")
    node.backend = "numba"
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            node.reset()
            node(torch.rand(2, 2, 2))
            assert numba.get_num_threads() <= count
    finally:
        torch.set_num_threads(threads)


FORKED = """
import os, torch
from bitspike import neuron, surrogate
node = neuron.IFNode(surrogate_function=surrogate.ATan(), step_mode="m")
node.backend = "numba"
x = torch.linspace(0, 1, 400).reshape(20, 2, 10)
first = node(x).count()
node.reset()
child = os.fork()
if child == 0:
    torch.set_num_threads(1)
    same = node(x).count() == first
    os._exit(0 if same else 3)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
print("survived", first)
"""


def test_a_forked_child_survives_and_gets_the_same() -> None:
    result = Process(FORKED).wait()
    assert result.code == 0, result.err
    assert result.out.startswith("survived")


def test_a_folder_that_cannot_be_written_is_said_and_survived(tmp_path: Any) -> None:
    code = (
        "import warnings, torch\n"
        "from bitspike.kernels.runtime import numba_disk_cache\n"
        "def refuse(function): raise RuntimeError('no locator available')\n"
        "numba_disk_cache.KernelCache = refuse\n"
        "from bitspike.kernels.bits import numba as bits\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    print(bits.count_over_time(torch.tensor([[[5]], [[1]]]), 3, 1).tolist())\n"
        "print([str(w.message) for w in caught if 'NUMBA_CACHE_DIR' in str(w.message)])\n"
    )
    result = Process(code, environment={"NUMBA_CACHE_DIR": str(tmp_path)}).wait()
    assert result.code == 0, result.err
    first, second = result.out.splitlines()
    assert first == "[[2.0, 0.0, 1.0]]"
    assert "cannot be cached" in second


def test_the_name_of_a_kernel_is_the_same_in_every_process() -> None:
    """Numba finds a kernel on the disk by its name: an address in it would make it a new one."""
    code = (
        "import torch\n"
        "from bitspike import neuron\n"
        "from bitspike.kernels.runtime import numba_kernel\n"
        "node = neuron.LIFNode(step_mode='m')\n"
        "numba_kernel.Kernel.__call__ = lambda self, *args, work: print(self.name)\n"
        "node(torch.zeros(2, 2, 2))\n"
    )
    names = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert names[0] == names[1]
    assert names[0].startswith("forward_")


def test_other_numbers_need_no_other_kernel() -> None:
    nodes = [
        neuron.LIFNode(tau=3.0, surrogate_function=surrogate.ATan(5.0)),
        neuron.LIFNode(
            tau=5.5, v_threshold=0.7, v_reset=-0.2, surrogate_function=surrogate.ATan(3.0)
        ),
    ]
    kernels: list[Any] = []
    for node in nodes:
        recorded = record(node.step, 1, (2,), torch.zeros(2))
        assert not isinstance(recorded, str)
        kernels.append(recorded.kernels(scan.store, (), torch.float32))
    assert kernels[0][0] is kernels[1][0]
    assert not np.array_equal(kernels[0][1], kernels[1][1])
