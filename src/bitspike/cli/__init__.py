"""The command ``bitspike``: train, predict, plot, look inside, measure.

`COMMANDS` declares what the commands take and imports nothing heavy, so that ``bitspike --help``
does not wait for torch; the functions that run them are imported when they are called.

argparse and not typer: the programs' options are dataclasses already, which typer would want
written a second time as signatures; and typer brings click and rich into a core of three
dependencies, only to say in an installation without extras which extra is missing.
"""

from bitspike.cli._commands import COMMANDS, Command, build
from bitspike.cli._main import EXTRAS, main

__all__ = ["COMMANDS", "EXTRAS", "Command", "build", "main"]
