"""``bitspike predict``: classes of pictures, as a table or as JSON."""

from argparse import Namespace
from typing import Any

from bitspike._terminal import complain, say
from bitspike.cli import _images
from bitspike.cli._checkpoints import checkpoint_path
from bitspike.cli._parser import UsageError
from bitspike.cli._programs import Trained
from bitspike.cli._table import print_json, table


def centred(fit: str, trained: Trained) -> bool:
    """Whether ``--fit`` means to centre what is drawn."""
    return fit == "centre" or (fit == "auto" and trained.draws_digits)


def answer(trained: Trained, name: str, fit: str) -> dict[str, Any]:
    """What the network says to one picture."""
    found = trained.respond(_images.read(name, centred(fit, trained)))
    rates = [round(float(rate), 6) for rate in found.firing_rate[0]]
    best = found.predicted if any(rates) else None
    return {
        "image": name,
        "class": best,
        "name": None if best is None else trained.classes[best],
        "rates": rates,
    }


def run(args: Namespace) -> int:
    """Prints a row for each picture; those that cannot be read make the exit code 2."""
    path = checkpoint_path(args.checkpoint)
    names = list(_images.expand(args.images))
    trained = Trained(path, args.device, args.data_dir)
    answers: list[dict[str, Any]] = []
    failed = False
    for name in names:
        try:
            answers.append(answer(trained, name, args.fit))
        except UsageError as error:
            complain("bitspike predict", error)
            answers.append({"image": name, "error": str(error)})
            failed = True
    if args.json:
        print_json({"checkpoint": path, "program": trained.name, "answers": answers})
    elif rows := [_row(trained, one) for one in answers if "error" not in one]:
        say(table(("image", "class", "rate", "next", "rate"), rows))
    return 2 if failed else 0


def _row(trained: Trained, one: dict[str, Any]) -> list[str]:
    """A line of the table: the two classes that fired most."""
    rates = one["rates"]
    if one["class"] is None:
        return [one["image"], "(no neuron fired)", "-", "-", "-"]
    order = sorted(range(len(rates)), key=lambda i: -rates[i])
    first, second = one["class"], next(i for i in order if i != one["class"])
    return [
        one["image"], trained.classes[first], f"{rates[first]:.2f}",
        trained.classes[second], f"{rates[second]:.2f}",
    ]  # fmt: skip
