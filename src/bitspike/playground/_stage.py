"""What all visitors share: the networks, the test images, and how far training is."""

import json
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bitspike._terminal import printable, sentence
from bitspike.datasets import MNIST, DatasetError, FashionMNIST, ImageDataset, centre_drawing
from bitspike.playground._model import Model, read
from bitspike.playground._protocol import LIMITS, SIDE, ProtocolError, Request, pack, parse
from bitspike.playground._train import Recipe, StoppedError, train
from bitspike.training import CheckpointError

log = logging.getLogger("bitspike.playground")

_DATASETS: dict[str, type[ImageDataset]] = {"mnist": MNIST, "fashion-mnist": FashionMNIST}
_OWN_NAME = "tutorial network"


class Stage:
    """Answers requests; trains a network in the background if it has none.

    Args:
        models: the networks to choose from. If there are none, one is read from ``cache`` or
            trained.
        cache: folder for the network that is trained here.
        data: folder of the data sets; None is the user's cache.
        recipe: how to train.
    """

    def __init__(
        self,
        models: Sequence[Model],
        cache: Path,
        data: Path | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        self._models = list(models)
        self._cache, self._data = cache, data
        self._recipe = Recipe() if recipe is None else recipe
        self._samples: dict[str, ImageDataset] = {}
        self._training: float | None = None
        self._problem = False
        self._answering = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.state = ""
        self._announce()

    # -- what happens in the background ---------------------------------------------------------

    def open(self) -> None:
        """Starts to load, or train, in the background."""
        self._thread = threading.Thread(target=self._prepare, name="playground", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops training, if there is any."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def wait(self, timeout: float) -> None:
        """Waits until nothing happens in the background any more.

        Raises:
            TimeoutError: if that takes longer than ``timeout`` seconds.
        """
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the playground is not ready after {timeout} s")

    def _prepare(self) -> None:
        try:
            if not self._models:
                self._models = [self._own_model()]
            for model in self._models[:1]:  # compiles the kernels, or finds them in their cache
                with self._answering:
                    T = min(model.T, int(LIMITS["T"][1]))
                    model.respond(torch.zeros(28, 28), T, model.tau, 1.0, 0)
        except StoppedError:
            return
        except (DatasetError, ImportError, OSError) as error:  # a user can do something about it
            log.error("no network could be made ready: %s", printable(sentence(error), lines=True))  # noqa: TRY400 -- one line
            self._problem = True
        except Exception:  # whatever it is, the page must say so and go on
            log.exception("no network could be made ready")
            self._problem = True
        self._training = None
        self._announce()
        self._load_samples()
        self._announce()

    def _own_model(self) -> Model:
        path = self._cache / f"mnist_T{self._recipe.T}.pth"
        try:
            return read(path, _OWN_NAME)
        except CheckpointError:  # not there, or of no use
            self._training = 0.0
            self._announce()
        dataset = _DATASETS["mnist"](self._data, train=True)
        train(dataset, path, self._recipe, self._progress)
        return read(path, _OWN_NAME)

    def _progress(self, share: float) -> bool:
        if share - (self._training or 0.0) >= 0.01:
            self._training = share
            self._announce()
        return not self._closing.is_set()

    def _load_samples(self) -> None:
        for name in {model.dataset for model in self._models}:
            try:
                self._samples[name] = _DATASETS[name](self._data, train=False)
            except (DatasetError, ImportError, KeyError) as error:
                text = printable(sentence(error), lines=True)
                log.warning("no test images to choose from: %s", text)

    def _announce(self) -> None:
        """Makes the text that tells a page what there is; whole texts are swapped."""
        self.state = json.dumps(
            {
                "type": "state",
                "models": [self._describe(model) for model in self._models],
                "training": None if self._training is None else round(self._training, 2),
                "problem": self._problem,
                "limits": LIMITS,
                "side": SIDE,
            }
        )

    def _describe(self, model: Model) -> dict[str, Any]:
        kind = _DATASETS.get(model.dataset)
        return {
            "name": model.name,
            "T": model.T,
            "tau": model.tau,
            "classes": list(kind.entry.classes) if kind else [str(n) for n in range(10)],
            "samples": len(self._samples.get(model.dataset, ())),
        }

    # -- what happens on request ----------------------------------------------------------------

    def answer(self, message: bytes) -> bytes:
        """The answer to a page's message. Blocks: call it in a thread.

        Raises:
            ProtocolError: if the page would never send this.
        """
        request = parse(message)
        if not self._models:
            return pack({"type": "waiting", "id": request.id})
        if request.model >= len(self._models):
            raise ProtocolError(f"there is no network {request.model}")
        model = self._models[request.model]
        image, label = self._image(request, model)
        began = time.perf_counter()
        with self._answering:
            found = model.respond(image, request.T, request.tau, request.v_threshold, request.seed)
        header = {
            "type": "answer",
            "id": request.id,
            "T": request.T,
            "v_threshold": request.v_threshold,
            "predicted": found.predicted,
            "label": label,
            "counts": found.counts,
            "input_spikes": int(found.input_spikes.sum()),
            "ms": round((time.perf_counter() - began) * 1e3, 2),
        }
        pixels = (image.numpy() * 255).round().astype("uint8")
        bits = (_bits(found.input_spikes), _bits(found.spikes))
        return pack(header, pixels, found.v_seq.astype("<f4"), *bits)

    def _image(self, request: Request, model: Model) -> tuple[Tensor, int | None]:
        if request.drawing is not None:
            return torch.from_numpy(centre_drawing(request.drawing)), None
        samples = self._samples.get(model.dataset)
        if samples is None or request.sample is None or request.sample >= len(samples):
            raise ProtocolError(f"there is no test image {request.sample}")
        image, label = samples[request.sample]
        return image[0], int(label)


def _bits(spikes: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    return np.packbits(spikes, axis=1, bitorder="little")
