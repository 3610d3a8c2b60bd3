"""The parts that any training program needs: plain functions and small objects.

Options, checkpoints, the folder of a run, metrics, the screen, pictures, signals, mixed precision
and random states. The programs in `bitspike.examples` show how they go together. Importing this
package needs PyTorch only; drawing, TensorBoard, the screen and the lock of a run's folder need
``pip install "bitspike[train]"`` when they are used.
"""

from bitspike._seeds import seed_of
from bitspike.training._checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from bitspike.training._contents import (
    ContentError,
    check_integer,
    check_number,
    of_checkpoint,
    plain_content,
    read_checkpoint,
    read_network,
)
from bitspike.training._images import find_image, image_number, read_image, test_image
from bitspike.training._metrics import CLASSES, EpochMetrics, RateMeter, votes, write_csv
from bitspike.training._options import (
    BaseOptions,
    OptionError,
    Rule,
    choose_device,
    flag,
    option,
    parse_options,
)
from bitspike.training._pictures import (
    Answer,
    draw_input,
    draw_membranes,
    draw_spikes,
    event_log,
    log_epoch,
    output_layer,
    record_answer,
    save_pictures,
    show_answer,
)
from bitspike.training._precision import Precision
from bitspike.training._program import DATASETS, check_place, guarded, load_images
from bitspike.training._random_state import random_state, restore_random_state, seed_everything
from bitspike.training._run_folder import (
    BEST,
    LATEST,
    Resumed,
    RunError,
    find_checkpoint,
    run_folder,
    wanted_folder,
    write_args,
)
from bitspike.training._screen import Screen
from bitspike.training._signals import StopRequest
from bitspike.training._state import TrainingState

__all__ = [
    "BEST",
    "CLASSES",
    "DATASETS",
    "LATEST",
    "Answer",
    "BaseOptions",
    "CheckpointError",
    "ContentError",
    "EpochMetrics",
    "OptionError",
    "Precision",
    "RateMeter",
    "Resumed",
    "Rule",
    "RunError",
    "Screen",
    "StopRequest",
    "TrainingState",
    "check_integer",
    "check_number",
    "check_place",
    "choose_device",
    "draw_input",
    "draw_membranes",
    "draw_spikes",
    "event_log",
    "find_checkpoint",
    "find_image",
    "flag",
    "guarded",
    "image_number",
    "load_checkpoint",
    "load_images",
    "log_epoch",
    "of_checkpoint",
    "option",
    "output_layer",
    "parse_options",
    "plain_content",
    "random_state",
    "read_checkpoint",
    "read_image",
    "read_network",
    "record_answer",
    "restore_random_state",
    "run_folder",
    "save_checkpoint",
    "save_pictures",
    "seed_everything",
    "seed_of",
    "show_answer",
    "test_image",
    "votes",
    "wanted_folder",
    "write_args",
    "write_csv",
]
