"""The functions that must work right after ``pip install bitspike``, without any extra."""

from importlib import resources

import torch
from torch import nn

import bitspike
from bitspike import encoding, functional, layer, neuron

assert resources.files(bitspike).joinpath("py.typed").is_file(), "types are not shipped"

torch.manual_seed(0)
net = nn.Sequential(layer.Linear(20, 4), neuron.LIFNode())
encoder = encoding.PoissonEncoder(step_mode="m")
functional.set_step_mode(net, "m")
functional.set_backend(net, "numba")
x_seq = encoder(torch.rand(3, 20).expand(8, 3, 20))
rate = net(x_seq).mean(0)
rate.sum().backward()
functional.reset_net(net)
assert rate.shape == (3, 4)
gradients = [p.grad for p in net.parameters()]
assert all(g is not None and bool(g.isfinite().all()) for g in gradients)
print("bitspike", bitspike.__version__, "on torch", torch.__version__)
