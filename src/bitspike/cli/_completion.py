"""``bitspike completion``: scripts by shtab, which complete without starting Python."""

from argparse import Namespace
from dataclasses import fields

from bitspike._extras import require
from bitspike.cli._commands import PROGRAMS, build, program_of
from bitspike.training import flag


def run(args: Namespace) -> int:
    """Print the script of a shell, for all commands and the options of all models."""
    require("shtab", extra="data", purpose="completion")
    import shtab

    root, commands = build()
    train = commands["train"]
    for model in PROGRAMS:
        for part in fields(program_of(model).Options):
            name = f"-{flag(part.name)}"
            if name not in train._option_string_actions:
                train.add_argument(name, help=part.metadata["text"], **part.metadata["argument"])
    for command in commands.values():
        for action in command._actions:
            if action.nargs != 0 and not action.choices:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    script = shtab.complete(root, args.shell)
    if args.shell == "zsh":  # it registers itself with zsh's completion, which must have started
        script = f"autoload -U +X compinit && compinit\n{script}"
    print(script)
    return 0
