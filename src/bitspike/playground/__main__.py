"""``python -m bitspike.playground``."""

from bitspike.playground import main

if __name__ == "__main__":
    raise SystemExit(main())
