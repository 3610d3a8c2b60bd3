"""``bitspike data``: fetch data sets, or look whether they are there and whole."""

import warnings
from argparse import Namespace
from typing import Any

from bitspike._terminal import complain, say
from bitspike.cli._commands import DATASETS
from bitspike.cli._parser import UsageError
from bitspike.cli._table import print_json, table
from bitspike.datasets import MNIST, DatasetError, DatasetNote, FashionMNIST, ImageDataset, download

KINDS: dict[str, type[ImageDataset]] = dict(zip(DATASETS, (MNIST, FashionMNIST), strict=True))
SPLITS = {"train": True, "test": False}


def look(name: str, root: str | None) -> list[dict[str, Any]]:
    """A row for each split: how many images, and whether they are the official ones."""
    rows = []
    for split, train in SPLITS.items():
        row: dict[str, Any] = {"dataset": name, "split": split, "images": None, "official": False}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DatasetNote)
                found = KINDS[name](root, train=train, download=False)
        except DatasetError as error:
            row["error"] = str(error)
        else:
            row |= {"images": len(found), "official": found.official}
        rows.append(row)
    return rows


def run(args: Namespace) -> int:
    """Fetches if asked to, and says what is there; 1 if something is missing or not official."""
    unknown = [name for name in args.datasets if name not in KINDS]
    if unknown:
        raise UsageError(f"no data set {unknown[0]!r}; there are {', '.join(KINDS)}")
    names, root = args.datasets or list(KINDS), args.root or None
    failed = False
    if args.action == "get":
        for name in names:
            try:
                download(KINDS[name], root)
            except DatasetError as error:
                complain("bitspike data", error)
                failed = True
    rows = [row for name in names for row in look(name, root)]
    if args.json:
        print_json({"root": args.root or None, "splits": rows})
    else:
        say(
            table(
                ("data set", "split", "images", ""),
                [[row["dataset"], row["split"], _count(row), _state(row)] for row in rows],
            )
        )
        for text in () if failed else dict.fromkeys(row["error"] for row in rows if "error" in row):
            complain("bitspike data", text)
    whole = all(row["official"] for row in rows)
    return 0 if whole and not failed else 1


def _count(row: dict[str, Any]) -> str:
    return "-" if row["images"] is None else f"{row['images']:,}"


def _state(row: dict[str, Any]) -> str:
    if row["official"]:
        return "official, verified"
    return "missing or damaged" if "error" in row else "your own files"
