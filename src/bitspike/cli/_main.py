"""Call a command, and turn its errors into a line and an exit code."""

import difflib
import os
import signal
import sys
from collections.abc import Sequence

from bitspike._terminal import complain
from bitspike._version import __version__
from bitspike.cli._commands import COMMANDS, build
from bitspike.cli._output import UsageError

# Import names of optional packages, and the extra that brings them.
EXTRAS = {
    "platformdirs": "data",
    "pooch": "data",
    "rich": "data",
    "shtab": "data",
    "filelock": "train",
    "matplotlib": "plot",
    "PIL": "train",
    "tensorboard": "train",
    "starlette": "playground",
    "uvicorn": "playground",
    "websockets": "playground",
}

_SIGPIPE = 13  # Windows has no name for it

# The library's errors about a user's request; by name, so that nothing is imported here.
_FOR_USERS = {"BackendError", "CheckpointError", "DatasetError", "OptionError"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; return the exit code.

    0 is success, 1 a failure on the way, 2 a request that cannot be met, and 128 + n the end by
    signal n.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            code = _run(arguments)
        except SystemExit as done:  # argparse has said what there is to say
            code = done.code if isinstance(done.code, int) else 1
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `bitspike ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + _SIGPIPE
    return code


def _run(arguments: list[str]) -> int:
    root, _ = build()
    if any("\0" in argument for argument in arguments):
        root.error("an argument has a NUL in it, which no name of a file may have")
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        near = difflib.get_close_matches(arguments[0], COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        root.error(f"no command {arguments[0]!r}; {hint}")
    if arguments and (command := COMMANDS.get(arguments[0])) and command.passes_on:
        return _guarded(arguments[0], arguments[1:])
    options = root.parse_args(arguments)
    if options.version:
        print(f"bitspike {__version__}")
        return 0
    if options.command is None:
        root.print_help(sys.stderr)
        return 2
    return _guarded(options.command, options)


def _guarded(name: str, given: object) -> int:
    """Run a command; errors of the user's become one line and the code 2."""
    prog = f"bitspike {name}"
    try:
        return COMMANDS[name].run(given)
    except BrokenPipeError:
        raise
    except (UsageError, OSError) as error:
        complain(prog, error)
        return 2
    except ImportError as error:
        if (text := _missing(error)) is None:
            raise
        complain(prog, text)
        return 2
    except MemoryError:
        complain(prog, "out of memory")
        return 1
    except (RuntimeError, ValueError) as error:
        if any(kind.__name__ in _FOR_USERS for kind in type(error).__mro__):
            complain(prog, error)
            return 2
        if "out of memory" in str(error) or "t allocate memory" in str(error):
            complain(prog, "out of memory")
            return 1
        raise


def _missing(error: ImportError) -> str | None:
    """Return what to install; None if the error has another cause."""
    package = (error.name or "").partition(".")[0]
    if "pip install" in str(error):
        return str(error)
    if package in EXTRAS:
        return f'{package} not installed: pip install "bitspike[{EXTRAS[package]}]"'
    return None
