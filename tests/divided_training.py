"""A small training that several processes divide, for tests: `fit` on made-up galaxies.

As a script: `python divided_training.py FOLDER MODEL STEP`, started by `mmae.training.launch`.
"""

import atexit
import os
import signal
import sys
from pathlib import Path

import torch

from galaxies import SMALL_PAPER, TOY, made_up_galaxies, modalities_of, split_of, training_with
from mmae.models import build_model
from mmae.training import fit as training_loop
from mmae.training.checkpoint import Checkpoints
from mmae.training.fit import Fitted, fit
from mmae.training.processes import is_first

MODELS = {"mmae": SMALL_PAPER, "cnn": TOY["models"]["cnn"]}


def train(folder: Path, name: str, stop_after: int = 0) -> Fitted:
    """Train for two epochs of five steps, the last of two galaxies; SIGTERM after one of them."""
    if stop_after:
        load, loads = training_loop.load_batch, []

        def counting(*arguments):
            # the first batch is the sample by which a model is prepared
            if len(loads) == stop_after and is_first():
                os.kill(os.getpid(), signal.SIGTERM)
            loads.append(1)
            return load(*arguments)

        training_loop.load_batch = counting
    torch.manual_seed(3)
    settings = training_with(epochs=2, batch_size=8, augment="dihedral", schedule="constant")
    model = build_model(MODELS[name], modalities_of())
    checkpoints = Checkpoints(folder / "checkpoints", {"name": name})
    return fit(model, made_up_galaxies(68), split_of(68), 0.5, 3, settings, checkpoints)


def write_threads(path: Path) -> None:
    """Keep the names of this process's threads."""
    found = Path("/proc/self/task").glob("*/comm")
    path.write_text("".join(each.read_text() for each in found))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    # called last of all that is to be called at the end
    atexit.register(write_threads, target / f"threads.{os.environ['RANK']}")
    fitted = train(target, sys.argv[2], int(sys.argv[3]))
    if is_first():
        fitted.history.to_csv(target / "history.csv", index=False)
        torch.save(fitted.best, target / "best.pt")
