"""A SpikeTensor behaves the same whatever was imported first."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json
import torch
import torch.nn.functional as F
{imports}
from bitspike.spikes import SpikeTensor, pack, trace_unpacking

torch.manual_seed(0)
s = pack((torch.rand(4, 130) < 0.3).float(), 1)
image = pack((torch.rand(4, 2, 6, 7) < 0.3).float(), 1)
weight, kernel = torch.rand(5, 130), torch.rand(16, 2, 3, 3)
OPERATIONS = {{
    "linear": lambda: F.linear(s, weight),
    "conv2d": lambda: F.conv2d(image, kernel, padding=1),
    "max_pool2d": lambda: F.max_pool2d(image, 2),
    "avg_pool2d": lambda: F.avg_pool2d(image, 2),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(image, 1),
    "mean": lambda: s.mean(0),
    "relu": lambda: F.relu(s),
}}
found = {{}}
for name, operation in OPERATIONS.items():
    with trace_unpacking() as unpacked:
        result = operation()
    packed = isinstance(result, SpikeTensor)
    values = result.dense() if packed else result
    found[name] = [packed, dict(unpacked), values.double().flatten().tolist()]
print(json.dumps(found))
"""


@pytest.mark.parametrize("backend", ["auto", "eager"])
def test_operations_do_not_depend_on_what_was_imported_first(backend: str) -> None:
    outcomes = []
    for imports in ("", "import bitspike.kernels", "import bitspike.layer"):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(imports=imports)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "BITSPIKE_BACKEND": backend},
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        outcomes.append(json.loads(run.stdout))
    alone, *others = outcomes
    assert others == [alone, alone]
    unpacked = {name for name, (_, trace, _) in alone.items() if trace}
    if backend == "auto":
        assert unpacked == {"relu"}
        assert alone["max_pool2d"][0]
    else:
        assert "linear" in unpacked
