"""The monitors' records against SpikingJelly's, on the same network of each library."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike import functional, monitor

T, B = 4, 3
KINDS = ("OutputMonitor", "InputMonitor", "GradInputMonitor", "GradOutputMonitor")


def build(library: Any, step_mode: str) -> nn.Sequential:
    return nn.Sequential(
        library.layer.Linear(5, 4, step_mode=step_mode),
        library.neuron.LIFNode(step_mode=step_mode, store_v_seq=True),
        nn.Sequential(
            library.layer.Linear(4, 2, step_mode=step_mode),
            library.neuron.IFNode(step_mode=step_mode, store_v_seq=True),
        ),
    )


@pytest.fixture(params=["s", "m"])
def nets(request: pytest.FixtureRequest, peer: Any) -> tuple[nn.Sequential, nn.Sequential]:
    """Ours and theirs, with the same weights: multiples of 1/16, so that no rounding differs."""
    ours, theirs = build(bitspike, request.param), build(peer, request.param)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_((16 * parameter).round() / 16)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def run(net: Any, steps: int = T) -> None:
    """Forward and backward, twice, with a reset between."""
    x = (torch.randn(steps, B, 5, generator=torch.Generator().manual_seed(3)) * 8).round() / 4
    for _ in range(2):
        inputs = x.requires_grad_()
        multi = net[1].step_mode == "m"
        out = net(inputs) if multi else torch.stack([net(one) for one in inputs])
        out.sum().backward()
        functional.reset_net(net) if isinstance(net[1], bitspike.neuron.LIFNode) else [
            net[1].reset(),
            net[2][1].reset(),
        ]


def flat(records: list[Any]) -> Iterator[Tensor | None]:
    for record in records:
        yield from record if isinstance(record, tuple) else (record,)


def assert_same(ours: Any, theirs: Any) -> None:
    assert ours.monitored_layers == theirs.monitored_layers
    assert len(ours.records) == len(theirs.records) > 0
    assert ours.name_records_index == theirs.name_records_index
    for one, other in zip(flat(ours.records), flat(theirs.records), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    for name in ours.monitored_layers:
        assert len(ours[name]) == len(theirs[name])
        for index, record in zip(ours.name_records_index[name], ours[name], strict=True):
            assert record is ours[index]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("instance", ["LIFNode", "Linear", None])
def test_monitor(peer: Any, nets: Any, kind: str, instance: str | None) -> None:
    monitors = []
    for library, module, net in ((bitspike, monitor, nets[0]), (peer, peer.monitor, nets[1])):
        places = vars(library.neuron) | vars(library.layer)
        watched = None if instance is None else places[instance]
        monitors.append(getattr(module, kind)(net, watched))
        run(net)
    assert_same(*monitors)


@pytest.mark.parametrize("attribute", ["v", "v_seq"])
@pytest.mark.parametrize("pre_forward", [True, False])
def test_attribute_monitor(peer: Any, nets: Any, attribute: str, pre_forward: bool) -> None:
    monitors = []
    for module, net in ((monitor, nets[0]), (peer.monitor, nets[1])):
        kinds = (type(net[1]), type(net[2][1]))
        monitors.append(module.AttributeMonitor(attribute, pre_forward, net, kinds))
        run(net)
    assert_same(*monitors)


def test_switches(peer: Any, nets: Any) -> None:
    counts = []
    for module, net in ((monitor, nets[0]), (peer.monitor, nets[1])):
        with module.OutputMonitor(net, nn.Linear, lambda y: y.shape) as m:
            counts.append([m.is_enable()])
            for switch in (m.enable, m.disable, m.enable, m.clear_recorded_data):
                switch()
                run(net)
                counts[-1] += [m.is_enable(), len(m.records), len(m["0"])]
        run(net)
        counts[-1] += [m.is_enable(), len(m.records), len(m.hooks)]
    assert counts[0] == counts[1]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_gpu_monitor(peer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TensorBoard gets, with a program that answers in place of nvidia-smi."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, 37, 1024'\necho '2, 5, 512'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    logged = []
    for name, module in (("ours", monitor), ("theirs", peer.monitor)):
        watcher = module.GPUMonitor(str(tmp_path / name), (0, 2), 0.01)
        while watcher.step < 2 and watcher.is_alive():
            watcher.join(0.01)
        watcher.stop()
        watcher.join(20)
        events = EventAccumulator(str(tmp_path / name / "gpu_monitor"))
        events.Reload()
        logged.append(
            {
                tag: [(s.step, s.value) for s in events.Scalars(tag)][:2]
                for tag in events.Tags()["scalars"]
            }
        )
    assert logged[0] == logged[1]
    assert len(logged[0]) == 4
