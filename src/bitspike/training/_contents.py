"""Whether what a checkpoint holds is what the program would have written.

A checkpoint may come from anybody. Optimizers, random generators and kernels take its tensors at
their word, and a wrong shape there corrupts memory, so that everything is compared with what the
program builds before any of it is used. All checks raise `ContentError` with a part of a sentence;
`of_checkpoint` makes a `CheckpointError` of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from bitspike.training._checkpoint import CheckpointError
from bitspike.training._options import BaseOptions, saved_options

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
Kind = TypeVar("Kind", bound=BaseOptions)

_DEEPEST, _MOST_VALUES, _LONGEST = 8, 2_000_000, 10_000
_MOST_EPOCHS = 100_000


class ContentError(ValueError):
    """A part of a checkpoint's content is not what the program would have written."""


@contextmanager
def of_checkpoint(path: Path | str) -> Iterator[None]:
    """Turns errors of the checks, and of options, into one that names the checkpoint.

    Raises:
        CheckpointError: saying what was found, and what to do.
    """
    try:
        yield
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(
            f"checkpoint {path} was not written by this program, or is damaged: {error}; take "
            "another checkpoint, or start a new run"
        ) from error


def plain(content: object) -> Any:
    """A copy of ``content`` of nothing but dicts, lists, numbers, strings and plain tensors.

    Tensors are not copied. They must be dense, on the CPU, and of no subclass.

    Raises:
        ContentError: if there is anything else, or far more than any checkpoint has.
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
            return {key: walk(one, depth + 1, f"{where}.{key}") for key, one in value.items()}
        if type(value) in (list, tuple):
            return [walk(one, depth + 1, where) for one in value]  # type: ignore[attr-defined]
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


def entries(found: object, names: set[str], where: str) -> dict[str, Any]:
    """``found``, which must be a dict with exactly these names.

    Raises:
        ContentError: if it is not.
    """
    if not isinstance(found, dict):
        raise ContentError(f"{where} is {_kind(found)}")
    if missing := sorted(names - found.keys()):
        raise ContentError(f"{where} lacks {missing[0]!r}")
    if more := [name for name in found if name not in names]:
        raise ContentError(f"{where} has {more[0]!r}, which is unknown")
    return found


def integer(found: object, low: int, high: int, where: str) -> int:
    """``found``, which must be an integer in ``[low, high]``.

    Raises:
        ContentError: if it is not.
    """
    if type(found) is not int:
        raise ContentError(f"{where} is {_kind(found)}")
    if not low <= found <= high:
        raise ContentError(f"{where} is {found}, not in [{low}, {high}]")
    return found


def number(found: object, low: float, high: float, where: str) -> float:
    """``found``, which must be a number in ``[low, high]``.

    Raises:
        ContentError: if it is not, or is NaN.
    """
    if type(found) not in (int, float):
        raise ContentError(f"{where} is {_kind(found)}")
    assert isinstance(found, int | float)  # noqa: S101
    if not low <= found <= high:
        raise ContentError(f"{where} is {found}, not in [{low:g}, {high:g}]")
    return float(found)


def check_tensor(found: object, like: Tensor, where: str) -> None:
    """Refuses what has not the shape and dtype of ``like``, whose own data are never looked at.

    Raises:
        ContentError: naming both.
    """
    if not isinstance(found, Tensor):
        raise ContentError(f"{where} is {_kind(found)}")
    if found.shape != like.shape or found.dtype != like.dtype:
        raise ContentError(f"{where} is {_kind(found)}, not {_kind(like)}")
    if not found.is_contiguous():
        raise ContentError(f"{where} does not lie in memory as the program's does")


def saved_network(
    path: Path | str,
    content: Mapping[str, Any],
    kind: type[Kind],
    required: Collection[str],
    make_net: Callable[[Kind], nn.Module],
) -> tuple[Kind, dict[str, Tensor]]:
    """The options and weights in a checkpoint, checked against the network that they describe.

    Args:
        path: of the checkpoint.
        content: from `load_checkpoint`.
        kind: class of the options.
        required: names of the options that must be there.
        make_net: makes the network.

    Raises:
        CheckpointError: naming what is wrong.
    """
    with of_checkpoint(path):
        found = plain({"options": content.get("options"), "net": content.get("net")})
        options = kind(**saved_options(kind, found["options"], required))
        check_net(found["net"], unbuilt(lambda: make_net(options)))
    net: dict[str, Tensor] = found["net"]
    return options, net


def unbuilt(make_net: Callable[[], nn.Module]) -> nn.Module:
    """The network that ``make_net`` makes, on the device ``meta``: shapes without memory.

    Raises:
        ContentError: if there can be no such network.
    """
    try:
        with torch.device("meta"):
            return make_net()
    except (RuntimeError, OverflowError, MemoryError) as error:
        raise ContentError("its options are those of a network that cannot be built") from error


def check_net(found: object, net: nn.Module) -> None:
    """Refuses weights that are not those of ``net``, which may be on the device ``meta``.

    Raises:
        ContentError: naming what differs.
    """
    expected = net.state_dict()
    weights = entries(found, set(expected), "the network")
    for name, like in expected.items():
        check_tensor(weights[name], like, f"the network's {name}")


def check_optimizer(found: object, after_a_step: Mapping[str, Any], most_lr: float) -> None:
    """Refuses a state that would not fit into the program's optimizer.

    Args:
        found: the optimizer's state in a checkpoint.
        after_a_step: the state of the program's optimizer after a step, tensors on ``meta``.
        most_lr: the highest learning rate that the options allow.

    Raises:
        ContentError: naming what differs.
    """
    parts = entries(found, {"state", "param_groups"}, "the optimizer")
    groups = parts["param_groups"]
    expected = after_a_step["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(expected):
        raise ContentError(f"the optimizer has other groups of parameters than {len(expected)}")
    for group, like in zip(groups, expected, strict=True):
        _check_group(group, like, most_lr)
    state = parts["state"]
    if not isinstance(state, dict):
        raise ContentError(f"the optimizer's state is {_kind(state)}")
    if not state:  # before the first step
        return
    if state.keys() != after_a_step["state"].keys() or any(type(key) is bool for key in state):
        raise ContentError(
            f"the optimizer's state is that of {len(state)} parameters, not of "
            f"{len(after_a_step['state'])}"
        )
    for index, likes in after_a_step["state"].items():
        one = entries(state[index], set(likes), f"the optimizer's state of parameter {index}")
        for name, like in likes.items():
            where = f"the optimizer's {name} of parameter {index}"
            if like is None:
                if one[name] is not None:
                    raise ContentError(f"{where} is {_kind(one[name])}, not None")
                continue
            check_tensor(one[name], like, where)
            if name == "step":
                number(float(one[name]), 0, 2**53, where)


def _check_group(group: object, like: Mapping[str, Any], most_lr: float) -> None:
    if not isinstance(group, dict):
        raise ContentError(f"the optimizer's group is {_kind(group)}")
    # Other versions of torch know some settings more or less. They are not taken from here.
    for name in ("lr", "params"):
        if name not in group:
            raise ContentError(f"the optimizer's group lacks {name!r}")
    if more := [name for name in group if name not in like]:
        raise ContentError(f"the optimizer's group has {more[0]!r}, which is unknown")
    number(group["lr"], 0, most_lr, "the optimizer's learning rate")
    params = group["params"]
    if params != like["params"] or any(type(index) is not int for index in params):
        raise ContentError("the optimizer has other parameters than the network")


def check_scaler(found: object) -> None:
    """Refuses what is no state of a `torch.amp.GradScaler`; one that is off has none.

    Raises:
        ContentError: naming what differs.
    """
    if isinstance(found, dict) and not found:
        return
    names = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
    parts = entries(found, names, "the scaler")
    number(parts["scale"], 0.0, 2.0**127, "the scaler's scale")
    number(parts["growth_factor"], 1.0, 2.0**32, "the scaler's growth factor")
    number(parts["backoff_factor"], 0.0, 1.0, "the scaler's backoff factor")
    integer(parts["growth_interval"], 1, 2**31 - 1, "the scaler's growth interval")
    integer(parts["_growth_tracker"], 0, 2**31 - 1, "the scaler's tracker")


def history(found: object, kind: type[Row]) -> list[Row]:
    """The rows of the epochs that are over.

    Args:
        found: dicts with the fields of ``kind``, which are integers and floats.
        kind: class of a row.

    Raises:
        ContentError: if an entry has another type, an accuracy is outside [0, 1], epochs are not
            counted from 1, or there are too many.
    """
    if not isinstance(found, list):
        raise ContentError(f"the history is {_kind(found)}")
    if len(found) > _MOST_EPOCHS:
        raise ContentError(f"the history has {len(found)} epochs")
    kinds = {one.name: one.type for one in fields(kind)}
    rows = []
    for epoch, row in enumerate(found, 1):
        where = f"row {epoch} of the history"
        row = entries(row, set(kinds), where)
        integer(row["epoch"], epoch, epoch, f"the epoch in {where}")
        for name, one in kinds.items():
            if type(row[name]) is not one and not (one is float and type(row[name]) is int):
                raise ContentError(f"{name} in {where} is {_kind(row[name])}")
            if name.endswith("_acc"):
                number(row[name], 0, 1, f"{name} in {where}")
        rows.append(kind(**row))
    return rows


def check_meter(found: object, batches: int, batch_size: int, classes: int) -> None:
    """Refuses what are no sums of `RateMeter` over the first batches of an epoch.

    Args:
        found: the meter's state in a checkpoint.
        batches: that are over.
        batch_size: images in each, but for the last.
        classes: number of rates.

    Raises:
        ContentError: naming what differs.
    """
    parts = entries(found, {"loss", "right", "rate", "images"}, "the meter")
    low = (batches - 1) * batch_size + 1 if batches else 0
    images = integer(parts["images"], low, batches * batch_size, "the meter's number of images")
    for name, dtypes, shape in (
        ("loss", (torch.float64, torch.float32), ()),
        ("right", (torch.int64,), ()),
        ("rate", (torch.float64, torch.float32), (classes,)),
    ):
        value = parts[name]
        if name == "rate" and value is None and not images:
            continue
        if not isinstance(value, Tensor) or value.dtype not in dtypes or value.shape != shape:
            raise ContentError(f"the meter's {name} is {_kind(value)}")
    integer(int(parts["right"]), 0, images, "the meter's number of right answers")


def _kind(value: object) -> str:
    """What a value is, in few words."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, bool | int | float) or value is None:
        return repr(value)
    return f"of the type {type(value).__name__}"
