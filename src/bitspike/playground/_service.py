"""The service behind the page: networks, test images, and training in the background."""

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
from bitspike.datasets import DatasetError, ImageDataset, centre_drawing
from bitspike.examples.lif_fc_mnist import Options
from bitspike.playground._networks import RECIPE, Model, TrainingStoppedError, train
from bitspike.playground._protocol import LIMITS, SIDE, ProtocolError, Request, pack, parse
from bitspike.training import DATASETS, CheckpointError

log = logging.getLogger("bitspike.playground")


class Stage:
    """Answers the page's requests; trains a network in the background if it has none.

    Args:
        models: the networks to choose from. If there are none, one is read from ``cache`` or
            trained.
        cache: folder for the network that is trained here.
        data: folder of the data sets; None is the user's cache.
        recipe: the options of the training, of one epoch.
    """

    def __init__(
        self,
        models: Sequence[Model],
        cache: Path,
        data: Path | None = None,
        recipe: Options = RECIPE,
    ) -> None:
        self._models, self._cache, self._data, self._recipe = list(models), cache, data, recipe
        self._test_sets: dict[str, ImageDataset] = {}
        self._trained: float | None = None  # the share of the training that is over
        self._failed = False
        self._answering = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.state = ""
        self._announce()

    # -- in the background -----------------------------------------------------------------------

    def open(self) -> None:
        """Start to load, or to train, in the background."""
        self._thread = threading.Thread(target=self._prepare, name="playground", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the training, if there is any."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def wait(self, timeout: float) -> None:
        """Wait until the work in the background is done.

        Raises:
            TimeoutError: it takes longer than ``timeout`` seconds.
        """
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the playground is not ready after {timeout} s")

    def _prepare(self) -> None:
        try:
            if not self._models:
                self._models = [self._read_or_train()]
            with self._answering:  # compiles the kernels, or loads them from their cache
                options = self._models[0].options
                T = min(options.T, int(LIMITS["T"][1]))
                self._models[0].respond(torch.zeros(28, 28), T, options.tau, 1.0, 0)
        except TrainingStoppedError:
            return
        except (DatasetError, ImportError, OSError) as error:  # the user can mend it
            text = printable(sentence(error), lines=True)
            log.error("no network could be prepared: %s", text)  # noqa: TRY400 -- one line
            self._failed = True
        except Exception:  # the page reports it and goes on
            log.exception("no network could be prepared")
            self._failed = True
        self._trained = None
        self._announce()
        self._load_test_sets()
        self._announce()

    def _read_or_train(self) -> Model:
        path, name = self._cache / f"mnist_T{self._recipe.T}.pth", "tutorial network"
        try:
            return Model.read(path, name)
        except CheckpointError:  # missing or unusable
            self._trained = 0.0
            self._announce()
        images = DATASETS["mnist"](self._data, train=True)
        images = images.head(self._recipe.limit) if self._recipe.limit else images
        train(images, path, self._recipe, self._report_progress)
        return Model.read(path, name)

    def _report_progress(self, share: float) -> bool:
        if share - (self._trained or 0.0) >= 0.01:
            self._trained = share
            self._announce()
        return not self._closing.is_set()

    def _load_test_sets(self) -> None:
        for name in {model.options.dataset for model in self._models}:
            try:
                self._test_sets[name] = DATASETS[name](self._data, train=False)
            except (DatasetError, ImportError) as error:
                text = printable(sentence(error), lines=True)
                log.warning("no test images to choose from: %s", text)

    def _announce(self) -> None:
        """Renew `state`, the text that tells pages what there is, as a whole."""
        self.state = json.dumps(
            {
                "type": "state",
                "models": [self._describe(model) for model in self._models],
                "training": None if self._trained is None else round(self._trained, 2),
                "problem": self._failed,
                "limits": LIMITS,
                "side": SIDE,
            }
        )

    def _describe(self, model: Model) -> dict[str, Any]:
        options = model.options
        return {
            "name": model.name,
            "T": options.T,
            "tau": options.tau,
            "classes": list(DATASETS[options.dataset].entry.classes),
            "samples": len(self._test_sets.get(options.dataset, ())),
        }

    # -- on request ------------------------------------------------------------------------------

    def answer(self, message: bytes) -> bytes:
        """Return the answer to a page's message. This blocks: call it in a thread.

        Raises:
            ProtocolError: no page would send this message.
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
            answer = model.respond(image, request.T, request.tau, request.v_threshold, request.seed)
        input_spikes, spikes = (s.numpy() > 0 for s in (answer.input_spikes, answer.s_seq))
        header = {
            "type": "answer",
            "id": request.id,
            "T": request.T,
            "v_threshold": request.v_threshold,
            "predicted": answer.predicted if spikes.any() else None,
            "label": label,
            "counts": spikes.sum(0).tolist(),
            "input_spikes": int(input_spikes.sum()),
            "ms": round((time.perf_counter() - began) * 1e3, 2),
        }
        pixels = (image.numpy() * 255).round().astype("uint8")
        v_seq = answer.v_seq.numpy().astype("<f4")
        return pack(header, pixels, v_seq, _pack_bits(input_spikes), _pack_bits(spikes))

    def _image(self, request: Request, model: Model) -> tuple[Tensor, int | None]:
        if request.drawing is not None:
            return torch.from_numpy(centre_drawing(request.drawing)), None
        samples = self._test_sets.get(model.options.dataset)
        if samples is None or request.sample is None or request.sample >= len(samples):
            raise ProtocolError(f"there is no test image {request.sample}")
        image, label = samples[request.sample]
        return image[0], int(label)


def _pack_bits(spikes: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    return np.packbits(spikes, axis=1, bitorder="little")
