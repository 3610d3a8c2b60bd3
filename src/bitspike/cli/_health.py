"""``bitspike health``: the diagnosis of a trained network on test images."""

from argparse import Namespace

import bitspike
from bitspike._terminal import say
from bitspike.cli._checkpoints import checkpoint_path
from bitspike.cli._programs import Trained
from bitspike.cli._table import print_json


def run(args: Namespace) -> int:
    """Prints the diagnosis."""
    path = checkpoint_path(args.checkpoint)
    trained = Trained(path, args.device, args.data_dir)
    images, labels = trained.test_set()[: args.images]
    net, x = trained.watched(images)
    found = bitspike.health(net, x, labels.to(x.device), loss=trained.loss)
    if args.json:
        print_json({"checkpoint": path, "images": len(labels), **found.to_dict()})
    else:
        say(str(found))
    return 0
