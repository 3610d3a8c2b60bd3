"""Numba's own threading layer, which ends a process where two threads run a parallel region."""

import os
import subprocess
import sys

PROGRAM = """
import threading

import torch

from bitspike.spikes import pack_bits, unpack_bits

torch.set_num_threads(2)
x = (torch.rand(2000, 512) < 0.5).float()
wrong = []


def work():
    for _ in range(40):
        wrong.extend([] if torch.equal(unpack_bits(pack_bits(x), 512, x.dtype), x) else [1])


threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
work()
for thread in threads:
    thread.join()
assert not wrong
import numba

assert numba.threading_layer() == "workqueue"
"""


def test_threads_at_once() -> None:
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue", "BITSPIKE_BACKEND": "auto"}
    environment.pop("NUMBA_BOUNDSCHECK", None)
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=300)
