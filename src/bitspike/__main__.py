"""``python -m bitspike``: the command line where its program is not on the PATH."""

from bitspike.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
