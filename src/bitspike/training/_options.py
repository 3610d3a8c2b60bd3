"""The programs' command line: what it takes, and what it refuses before anything starts."""

import argparse
import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch

from bitspike._terminal import Parser

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DATASETS = ("mnist", "fashion-mnist")
Kind = TypeVar("Kind", bound="DataclassInstance")
Some = TypeVar("Some", bound="BaseOptions")
_LARGEST_LR = 3e37  # ten times as much, Adam's first step, still is a float32
_LARGEST = 2**31 - 1  # of a number of images or neurons


class OptionError(ValueError):
    """An option has a value that the program cannot work with."""


def option(default: Any, text: str, **argument: Any) -> Any:
    """A field of an options class: default, help, and what argparse is told."""
    return field(default=default, metadata={"help": text, "argument": argument})


@dataclass(frozen=True)
class BaseOptions:
    """What the options of all programs have in common: checks, and names of runs.

    A program derives its own class, whose fields are made by `option`.
    """

    # What a resumed run may change: all else decides what is learned.
    free: ClassVar[frozenset[str]] = frozenset(("j", "threads", "data_dir", "out_dir", "resume"))
    least: ClassVar[dict[str, int]] = {
        "T": 1, "b": 1, "epochs": 0, "j": 0, "threads": 1, "limit": 0,
    }  # fmt: skip
    # With many more threads OpenMP ends the process.
    most: ClassVar[dict[str, int]] = {"T": 100_000, "threads": 1024}
    # What stands in the name of every run, and letters for names that are long.
    named: ClassVar[tuple[str, ...]] = ("T", "b", "lr")
    letters: ClassVar[dict[str, str]] = {}

    @property
    def run_name(self) -> str:
        """Name of the run's folder: the options in `named`, and what differs from its default."""
        parts = [self._part(name) for name in self.named]
        parts += [
            self._part(one.name)
            for one in fields(self)
            if one.name not in self.free | set(self.named)
            and getattr(self, one.name) != one.default
        ]
        return "_".join(parts)

    def _part(self, name: str) -> str:
        value = getattr(self, name)
        if isinstance(value, bool):
            return name if value else f"no-{name}"
        return value if isinstance(value, str) else f"{self.letters.get(name, name)}{value}"

    def trajectory(self) -> dict[str, Any]:
        """The options that decide what is learned: a resumed run cannot change them."""
        return {name: value for name, value in asdict(self).items() if name not in self.free}

    def as_text(self) -> str:
        """One option a line, for ``args.txt``."""
        return "".join(f"{name}: {value}\n" for name, value in asdict(self).items())

    def check(self, given: frozenset[str] = frozenset()) -> None:
        """Refuses values that the program cannot work with.

        Args:
            given: names of the options that were given on the command line.

        Raises:
            OptionError: naming the option, its value and what it may be.
        """
        for one in fields(self):
            name, value = one.name, getattr(self, one.name)
            dashed = f"-{name.replace('_', '-')}"
            choices = one.metadata["argument"].get("choices")
            if choices and value not in choices:
                raise OptionError(f"{dashed} must be one of {', '.join(choices)}, but is {value!r}")
            if isinstance(value, str):
                if "\0" in value:
                    raise OptionError(f"{dashed} {value!r} has a NUL in it, which no path may have")
                if name in given and not value.strip():
                    raise OptionError(f"{dashed} is empty")
            elif name == "seed":
                if not 0 <= value < 2**32:
                    raise OptionError(f"-seed must lie in [0, 2**32), but is {_short(value)}")
            elif type(value) is int:
                low, most = self.least.get(name, 0), self.most.get(name, _LARGEST)
                if value < low:
                    raise OptionError(f"{dashed} must be at least {low}, but is {value}")
                if value > most:
                    raise OptionError(f"{dashed} must be at most {most}, but is {_short(value)}")


def _short(value: int) -> str:
    """A number for a message: Python refuses to write out an integer of 4,300 digits."""
    if value.bit_length() > 128:
        return f"{'minus ' if value < 0 else ''}a number of {value.bit_length()} bits"
    return str(value)


@dataclass(frozen=True)
class Options(BaseOptions):
    """All options of the tutorial program with their defaults. See ``-h`` for what they mean.

    A program with other options or other defaults derives its own class.
    """

    free: ClassVar[frozenset[str]] = BaseOptions.free | {"device", "epochs", "predict", "image"}
    named: ClassVar[tuple[str, ...]] = ("T", "b", "opt", "lr")

    # Whether torch's own operations are large enough to be shared among threads.
    torch_shares: ClassVar[bool] = False

    T: int = option(100, "time steps an image is shown for", type=int)
    device: str = option("", "where to compute (default: best of cuda:0, mps, cpu)")
    b: int = option(64, "batch size", type=int)
    epochs: int = option(100, "train until this epoch", type=int)
    j: int = option(1, "threads that prepare batches ahead; 0: none", type=int)
    threads: int = option(
        1, "threads that the kernels on the CPU may take; -j adds its own", type=int
    )
    data_dir: str = option("", "folder of the data set (default: a cache folder of yours)")
    out_dir: str = option("./logs", "folder of the runs; this run makes a folder of its own in it")
    resume: str = option("", "go on from this checkpoint, to the bit", metavar="PATH")
    amp: bool = option(
        False, "mixed precision: float16 on CUDA, bfloat16 on the CPU", action="store_true"
    )
    opt: str = option("adam", "optimizer", choices=("sgd", "adam"))
    momentum: float = option(0.9, "momentum of SGD", type=float)
    lr: float = option(1e-3, "learning rate", type=float)
    tau: float = option(2.0, "membrane time constant of the LIF neurons, time steps", type=float)
    seed: int = option(0, "seed: same seed, same machine, same result, bit for bit", type=int)
    dataset: str = option("mnist", "what to learn", choices=DATASETS)
    limit: int = option(0, "train on the first N images only; 0: on all", type=int, metavar="N")
    predict: str = option("", "classify -image with this checkpoint", metavar="CHECKPOINT")
    image: str = option(
        "", "picture file, or number of a test image, for -predict", metavar="FILE_OR_INDEX"
    )

    def check(self, given: frozenset[str] = frozenset()) -> None:
        """Refuses values that the program cannot work with.

        Raises:
            OptionError: naming the option, its value and what it may be.
        """
        super().check(given)
        if not 0 < self.lr <= _LARGEST_LR:
            raise OptionError(f"-lr must lie in (0, {_LARGEST_LR}], but is {self.lr}")
        if not (math.isfinite(self.tau) and self.tau > 1):
            raise OptionError(f"-tau is in time steps and must be > 1, but is {self.tau}")
        if not 0 <= self.momentum < 1:
            raise OptionError(f"-momentum must lie in [0, 1), but is {self.momentum}")
        if bool(self.predict) != bool(self.image):
            raise OptionError("-predict CHECKPOINT and -image FILE_OR_INDEX go together")
        if self.predict and self.resume:
            raise OptionError("-predict and -resume do not go together")


def parse(argv: Sequence[str], prog: str, description: str) -> tuple[Options, frozenset[str]]:
    """`parse_as` for `Options`."""
    return parse_as(Options, argv, prog, description)


def parse_as(
    kind: type[Kind], argv: Sequence[str], prog: str, description: str
) -> tuple[Kind, frozenset[str]]:
    """The options in ``argv`` for a dataclass of `option` fields, and the names of those given.

    Exits with code 2 and one line on standard error if ``argv`` cannot be understood.
    """
    parser = Parser(
        prog=prog,
        description=description,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28),
    )
    for one in fields(kind):
        name = one.name.replace("_", "-")
        text = one.metadata["help"]
        if one.default != "" and one.default is not False:
            text += f" (default: {one.default})"
        argument = dict(one.metadata["argument"])
        if argument.get("type") in (int, float):
            argument.setdefault("metavar", "N" if argument["type"] is int else "X")
        parser.add_argument(f"-{name}", f"--{name}", dest=one.name, help=text, **argument)
    given = vars(parser.parse_args(argv))
    return kind(**given), frozenset(given)


def choose_device(options: Options) -> torch.device:
    """The device that was asked for, or the best one there is.

    Raises:
        OptionError: if it is unknown, not there, or cannot do what the options want.
    """
    device = _device(options.device)
    if options.amp and device.type not in ("cuda", "cpu"):
        raise OptionError(f"-amp works on cuda and cpu, not on {device.type}")
    return device


def _device(name: str) -> torch.device:
    if not name:
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    unknown = OptionError(f"-device {name!r} is unknown; try cpu, cuda:0 or mps")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown from error
    if str(device) != name:  # torch counts devices in 8 bits: for it 256 is 0
        raise unknown
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise OptionError(f"-device {name}: this machine has {count} usable CUDA devices")
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise OptionError("-device mps is not available on this machine")
    elif device.type != "cpu":
        raise OptionError(f"-device {name!r} is not supported; try cpu, cuda:0 or mps")
    return device


def check_writable(folder: Path) -> None:
    """Refuses a folder that cannot be made or written, without making it.

    Raises:
        OptionError: naming what stands in the way.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise OptionError(f"-out-dir {folder}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OptionError(f"-out-dir {folder}: no permission to write in {existing}")


def saved_options(
    kind: type[BaseOptions], found: object, required: Collection[str]
) -> dict[str, Any]:
    """The options in a checkpoint, after the same checks as those of a command line.

    Args:
        kind: class of the options.
        found: what stands in the checkpoint.
        required: names of the options that must be there; others may be, if they are those of
            `BaseOptions.trajectory`.

    Raises:
        OptionError: if one is missing or unknown, has another type, or is refused by
            `BaseOptions.check`.
    """
    if not isinstance(found, dict):
        raise OptionError(f"the options are no dict, but {type(found).__name__}")
    known: dict[str, Field[Any]] = {one.name: one for one in fields(kind)}
    if unknown := [name for name in found if name not in kind().trajectory()]:
        raise OptionError(f"the option {unknown[0]!r} is unknown")
    if missing := [name for name in known if name in required and name not in found]:
        raise OptionError(f"the option -{missing[0]} is missing")
    values = {}
    for name, value in found.items():
        like = type(known[name].default)
        if type(value) is not like and not (like is float and type(value) is int):
            raise OptionError(f"-{name} is {type(value).__name__} in place of {like.__name__}")
        if type(value) is int and value.bit_length() > 1000:
            raise OptionError(f"-{name} is {_short(value)}")
        values[name] = like(value)
    kind(**values).check()
    return values


def adopt(options: Some, given: frozenset[str], values: Mapping[str, Any]) -> Some:
    """``options`` with what a checkpoint says decides the trajectory.

    Raises:
        OptionError: if an option that was given on the command line says something else.
    """
    for name, value in values.items():
        if name in given and getattr(options, name) != value:
            raise OptionError(
                f"-{name} {getattr(options, name)} differs from the checkpoint's {value}; it "
                f"cannot be changed any more: leave -{name} out, or start a new run"
            )
    return replace(options, **values)
