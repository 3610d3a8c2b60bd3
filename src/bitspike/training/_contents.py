"""Checks of a checkpoint's content against what the program itself would have written.

A checkpoint may come from anybody. Optimizers, random generators and kernels trust the tensors that
they are given, and a wrong shape there corrupts memory. So everything is compared with what the
program builds, on the device ``meta`` and thus without memory, before any of it is used. All checks
raise `ContentError` with a part of a sentence; `of_checkpoint` makes a `CheckpointError` of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bitspike.training._checkpoint import CheckpointError, load_checkpoint
from bitspike.training._options import BaseOptions, adopt_options, saved_options
from bitspike.training._random_state import check_random_state

Options = TypeVar("Options", bound=BaseOptions)
_DEEPEST, _MOST_VALUES, _LONGEST, _MOST_EPOCHS = 8, 2_000_000, 10_000, 100_000
_MOST_BATCHES = 2**31 - 1


class ContentError(ValueError):
    """A part of a checkpoint's content is not what the program would have written."""


@contextmanager
def of_checkpoint(path: Path | str) -> Iterator[None]:
    """Turn errors of the checks, and of options, into a `CheckpointError` that names the file."""
    try:
        yield
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(
            f"checkpoint {path} was not written by this program, or is damaged: {error}; take "
            "another checkpoint, or start a new run"
        ) from error


def read_checkpoint(
    path: Path | str,
    program: str,
    options: Options,
    given: frozenset[str],
    make_net: Callable[[Options], nn.Module],
    row: type[Any],
    make_optimizer: Callable[[Options, nn.Module], torch.optim.Optimizer] | None = None,
    classes: int = 0,
) -> tuple[Options, dict[str, Any]]:
    """Return a checkpoint of a program, wholly checked, and the options that it was made with.

    It holds what `bitspike.training.TrainingState` does; without an optimizer only ``options``,
    ``net``, ``history``, ``batch`` and ``random``.

    Args:
        path: of the checkpoint.
        program: name of the program that must have written it.
        options: of the command line.
        given: names of the options that the user gave.
        make_net: makes the network that the checkpoint must fit.
        row: dataclass of an epoch's figures in the history.
        make_optimizer: makes the optimizer that the checkpoint must fit.
        classes: number of firing rates that the meter adds up.

    Raises:
        CheckpointError: naming the fault.
        OptionError: if an option that was given contradicts it.
    """
    state = load_checkpoint(path, program)
    with of_checkpoint(path):
        saved = saved_options(type(options), state.get("options"), options.trajectory())
    options = adopt_options(options, given, saved)
    with of_checkpoint(path):
        state = plain_content(state)
        names = {"format", "program", "options", "net", "history", "batch", "random"}
        entries(state, names | ({"optimizer", "scaler", "meter"} if make_optimizer else set()))
        net = _on_meta(lambda: make_net(options))
        _check_net(state["net"], net)
        _check_history(state["history"], row)
        batches = check_integer(state["batch"], 0, _MOST_BATCHES, "the number of batches")
        if make_optimizer is not None:
            optimizer = make_optimizer(options, net)
            for parameter in net.parameters():
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
            most_lr = optimizer.defaults["lr"]
            _check_optimizer(state["optimizer"], optimizer.state_dict(), most_lr)
            _check_scaler(state["scaler"])
            _check_meter(state["meter"], batches, options.trajectory()["b"], classes)
        check_random_state(state["random"])
    return options, state


def read_network(
    path: Path | str,
    content: Mapping[str, Any],
    kind: type[Options],
    required: Collection[str],
    make_net: Callable[[Options], nn.Module],
) -> tuple[Options, dict[str, Tensor]]:
    """Return the options and weights in a checkpoint, checked against the network of the options.

    Args:
        path: of the checkpoint.
        content: from `load_checkpoint`.
        kind: class of the options.
        required: names of the options that must be there.
        make_net: makes the network.

    Raises:
        CheckpointError: naming the fault.
    """
    with of_checkpoint(path):
        parts = plain_content({"options": content.get("options"), "net": content.get("net")})
        options = kind(**saved_options(kind, parts["options"], required))
        _check_net(parts["net"], _on_meta(lambda: make_net(options)))
    net: dict[str, Tensor] = parts["net"]
    return options, net


def plain_content(content: object) -> Any:
    """Return ``content`` with its tensors, and copies of its dicts, lists, numbers and strings.

    Refuse anything else, and far more than any checkpoint has. Tensors must be dense, on the CPU,
    and of no subclass.
    """
    left = _MOST_VALUES

    def walk(value: object, depth: int, where: str) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > _DEEPEST:
            raise ContentError("it holds far more values than any checkpoint does")
        if value is None or type(value) in (bool, float):
            return value
        if type(value) is int:
            if value.bit_length() > 64:
                raise ContentError(f"{where} is an integer of {value.bit_length()} bits")
            return value
        if type(value) is str:
            if len(value) > _LONGEST:
                raise ContentError(f"{where} is a text of {len(value)} characters")
            return value
        if isinstance(value, Tensor):
            _check_plain_tensor(value, where)
            return value
        if isinstance(value, dict):
            if not all(type(key) is str or type(key) is int for key in value):
                raise ContentError(f"{where} has keys that are neither names nor numbers")
            return {key: walk(entry, depth + 1, f"{where}.{key}") for key, entry in value.items()}
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            return [walk(entry, depth + 1, where) for entry in value]
        raise ContentError(f"{where} is of the type {type(value).__name__}")

    return walk(content, 0, "it")


def _check_plain_tensor(value: Tensor, where: str) -> None:
    if type(value) is not Tensor:
        raise ContentError(f"{where} is a {type(value).__name__}, no plain tensor")
    if value.layout is not torch.strided or value.is_quantized:
        raise ContentError(f"{where} is no dense tensor")
    if value.device.type != "cpu":
        raise ContentError(f"{where} is a tensor without data ({value.device})")
    dense = value.is_contiguous() or (
        value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)
    )
    if not dense or value.is_conj() or value.is_neg() or value.requires_grad:
        raise ContentError(f"{where} is a view of a tensor, or part of a graph")


def entries(value: object, names: Collection[str], where: str = "it") -> dict[str, Any]:
    """Return ``value``, which must be a dict with exactly these names."""
    if not isinstance(value, dict):
        raise ContentError(f"{where} is {_described(value)}")
    if missing := sorted(set(names) - value.keys()):
        raise ContentError(f"{where} lacks {missing[0]!r}")
    if more := [name for name in value if name not in names]:
        raise ContentError(f"{where} has {more[0]!r}, which is unknown")
    return value


def check_integer(value: object, low: int, high: int, where: str) -> int:
    """Return ``value``, which must be an integer in ``[low, high]``."""
    if type(value) is not int:
        raise ContentError(f"{where} is {_described(value)}")
    if not low <= value <= high:
        raise ContentError(f"{where} is {value}, not in [{low}, {high}]")
    return value


def check_number(value: object, low: float, high: float, where: str) -> float:
    """Return ``value``, which must be a number in ``[low, high]`` and thus not NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContentError(f"{where} is {_described(value)}")
    if not low <= value <= high:
        raise ContentError(f"{where} is {value}, not in [{low:g}, {high:g}]")
    return float(value)


def _check_tensor(value: object, like: Tensor, where: str) -> None:
    """Refuse a tensor without the shape and dtype of ``like``, whose own data are not looked at."""
    if not isinstance(value, Tensor):
        raise ContentError(f"{where} is {_described(value)}")
    if value.shape != like.shape or value.dtype != like.dtype:
        raise ContentError(f"{where} is {_described(value)}, not {_described(like)}")
    if not value.is_contiguous():
        raise ContentError(f"{where} does not lie in memory as the program's does")


def _on_meta(make_net: Callable[[], nn.Module]) -> nn.Module:
    """Return the network on the device ``meta``: shapes without memory."""
    try:
        with torch.device("meta"):
            return make_net()
    except (RuntimeError, OverflowError, MemoryError) as error:
        raise ContentError("its options are those of a network that cannot be built") from error


def _check_net(value: object, net: nn.Module) -> None:
    expected = net.state_dict()
    weights = entries(value, expected, "the network")
    for name, like in expected.items():
        _check_tensor(weights[name], like, f"the network's {name}")


def _check_optimizer(value: object, after_a_step: Mapping[str, Any], most_lr: float) -> None:
    """Refuse a state that would not fit into the optimizer whose state is ``after_a_step``."""
    parts = entries(value, {"state", "param_groups"}, "the optimizer")
    groups, expected = parts["param_groups"], after_a_step["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(expected):
        raise ContentError(f"the optimizer has other groups of parameters than {len(expected)}")
    for group, like in zip(groups, expected, strict=True):
        _check_group(group, like, most_lr)
    state, expected = parts["state"], after_a_step["state"]
    if not isinstance(state, dict):
        raise ContentError(f"the optimizer's state is {_described(state)}")
    if not state:  # before the first step
        return
    if state.keys() != expected.keys() or any(type(key) is bool for key in state):
        raise ContentError(
            f"the optimizer's state is that of {len(state)} parameters, not of {len(expected)}"
        )
    for index, likes in expected.items():
        kept = entries(state[index], likes, f"the optimizer's state of parameter {index}")
        for name, like in likes.items():
            where = f"the optimizer's {name} of parameter {index}"
            if like is not None:
                _check_tensor(kept[name], like, where)
                if name == "step":
                    check_number(float(kept[name]), 0, 2**53, where)
            elif kept[name] is not None:
                raise ContentError(f"{where} is {_described(kept[name])}, not None")


def _check_group(group: object, like: Mapping[str, Any], most_lr: float) -> None:
    if not isinstance(group, dict):
        raise ContentError(f"the optimizer's group is {_described(group)}")
    # Other versions of torch know some settings more or less. They are not taken from here.
    for name in ("lr", "params"):
        if name not in group:
            raise ContentError(f"the optimizer's group lacks {name!r}")
    if more := [name for name in group if name not in like]:
        raise ContentError(f"the optimizer's group has {more[0]!r}, which is unknown")
    check_number(group["lr"], 0, most_lr, "the optimizer's learning rate")
    params = group["params"]
    if params != like["params"] or any(type(index) is not int for index in params):
        raise ContentError("the optimizer has other parameters than the network")


def _check_scaler(value: object) -> None:
    """Refuse a value that is no state of a `torch.amp.GradScaler`, which is empty when off."""
    if isinstance(value, dict) and not value:
        return
    names = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
    parts = entries(value, names, "the scaler")
    check_number(parts["scale"], 0.0, 2.0**127, "the scaler's scale")
    check_number(parts["growth_factor"], 1.0, 2.0**32, "the scaler's growth factor")
    check_number(parts["backoff_factor"], 0.0, 1.0, "the scaler's backoff factor")
    check_integer(parts["growth_interval"], 1, 2**31 - 1, "the scaler's growth interval")
    check_integer(parts["_growth_tracker"], 0, 2**31 - 1, "the scaler's tracker")


def _check_history(value: object, row_class: type[Any]) -> None:
    """Refuse rows that have not the fields of ``row_class``, with epochs counted from 1."""
    if not isinstance(value, list):
        raise ContentError(f"the history is {_described(value)}")
    if len(value) > _MOST_EPOCHS:
        raise ContentError(f"the history has {len(value)} epochs")
    types = {part.name: part.type for part in fields(row_class)}
    for epoch, row in enumerate(value, 1):
        where = f"row {epoch} of the history"
        row = entries(row, types, where)
        check_integer(row["epoch"], epoch, epoch, f"the epoch in {where}")
        for name, kind in types.items():
            if type(row[name]) is not kind and not (kind is float and type(row[name]) is int):
                raise ContentError(f"{name} in {where} is {_described(row[name])}")
            if name.endswith("_acc"):
                check_number(row[name], 0, 1, f"{name} in {where}")


def _check_meter(value: object, batches: int, batch_size: int, classes: int) -> None:
    """Refuse sums that `RateMeter` cannot have after the first ``batches`` of an epoch."""
    parts = entries(value, {"loss", "right", "rate", "images"}, "the meter")
    low = (batches - 1) * batch_size + 1 if batches else 0
    images = check_integer(
        parts["images"], low, batches * batch_size, "the meter's number of images"
    )
    for name, dtypes, shape in (
        ("loss", (torch.float64, torch.float32), ()),
        ("right", (torch.int64,), ()),
        ("rate", (torch.float64, torch.float32), (classes,)),
    ):
        total = parts[name]
        if name == "rate" and total is None and not images:
            continue
        if not isinstance(total, Tensor) or total.dtype not in dtypes or total.shape != shape:
            raise ContentError(f"the meter's {name} is {_described(total)}")
    check_integer(int(parts["right"]), 0, images, "the meter's number of right answers")


def _described(value: object) -> str:
    """Return a value in few words, for a message."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, bool | int | float) or value is None:
        return repr(value)
    return f"of the type {type(value).__name__}"
