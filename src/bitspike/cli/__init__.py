"""The command ``bitspike``: train, predict, plot, look inside, measure.

`_commands` declares what the commands take and imports nothing heavy, so that ``bitspike --help``
and a TAB do not wait for torch; each command runs in a module of its own, imported when it is
called.

Why argparse and not typer: the training programs' options are a table already (dataclasses of
`bitspike.examples`), which typer would want written a second time as signatures; and typer brings
click, rich and shellingham into a core that has three dependencies, only to say in an installation
without extras which extra is missing. What typer would have given is small enough to stand here:
coloured help, suggestions for a mistyped command, completion for bash, zsh and fish.
"""

from bitspike.cli._main import main

__all__ = ["main"]
