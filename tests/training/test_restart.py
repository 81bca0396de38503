"""A training that is interrupted ends as if nothing had been."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from galaxies import SMALL_PAPER, made_up_galaxies, modalities_of, split_of, training_with
from helpers import SmallSurvey, run_mmae
from mmae.errors import InputError
from mmae.models import build_model
from mmae.training import fit as training_loop
from mmae.training.checkpoint import Checkpoints
from mmae.training.fit import Diverged, Fitted, fit
from mmae.training.interruption import TRY_AGAIN

ARRAYS, SPLIT = made_up_galaxies(), split_of(64)
SETTINGS = training_with(epochs=3, batch_size=8, augment="dihedral")
IDENTITY = {"name": "mmae", "seed": 3}


def run(checkpoints: Checkpoints | None = None, **keys) -> Fitted:
    torch.manual_seed(3)
    model = build_model(SMALL_PAPER | {"dropout": 0.2} | keys, modalities_of())
    return fit(model, ARRAYS, SPLIT, 0.5, 3, SETTINGS, checkpoints)


@pytest.fixture(scope="module")
def undisturbed() -> Fitted:
    return run()


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", IDENTITY)


def same(one: Fitted, other: Fitted) -> None:
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    assert one.best.keys() == other.best.keys()
    for name, value in one.best.items():
        assert torch.equal(value, other.best[name]), name


@pytest.fixture
def at_step(monkeypatch):
    """Do something as the batch of a step is loaded; loads are counted from 1."""

    def plan(number: int, action) -> None:
        loads, load = [], training_loop.load_batch

        def counting(*arguments):
            loads.append(1)
            # the first batch is the sample by which a model is prepared
            if len(loads) == number + 1:
                action()
            return load(*arguments)

        monkeypatch.setattr(training_loop, "load_batch", counting)

    return plan


def warn() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


# four batches of training galaxies are followed by two of validation galaxies
@pytest.mark.parametrize(("load", "steps"), [(1, 1), (3, 3), (4, 4), (5, 5), (7, 5), (11, 9)])
def test_sigterm_saves_exits_with_75_and_nothing_is_lost(
    kept, undisturbed, at_step, monkeypatch, load, steps
):
    at_step(load, warn)
    with pytest.raises(SystemExit) as stopped:
        run(kept)
    assert stopped.value.code == 75
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert kept.load()["steps"] == steps
    same(run(kept), undisturbed)


def test_a_finished_training_is_not_done_again(kept, undisturbed, at_step):
    same(run(kept), undisturbed)

    def fail() -> None:
        raise AssertionError("trained")

    at_step(1, fail)
    same(run(kept), undisturbed)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(kept, undisturbed, caplog):
    run(kept)
    first, last = sorted(kept.folder.glob("*.pt"))
    with last.open("r+b") as stream:
        stream.seek(2000)
        stream.write(b"damage")
    caplog.set_level("INFO")
    same(run(kept), undisturbed)
    assert re.search(rf"{last.name} is damaged .*the one before is used", caplog.text)
    assert f"going on from checkpoint {first}" in caplog.text


def test_without_a_whole_checkpoint_it_begins_anew(kept, undisturbed):
    run(kept)
    for path in kept.folder.glob("*.pt"):
        path.write_bytes(b"")
    same(run(kept), undisturbed)


def test_two_checkpoints_are_kept_and_none_when_it_is_over(kept):
    run(kept)
    assert len(sorted(kept.folder.iterdir())) == 4
    kept.clear()
    assert not kept.folder.exists()


def test_a_checkpoint_of_another_training_is_told_in_a_sentence(kept):
    run(kept)
    other = Checkpoints(kept.folder, IDENTITY | {"seed": 4})
    sentence = r"\.pt: seed: found a checkpoint of 3, expected 4; delete"
    with pytest.raises(InputError, match=sentence):
        run(other)


def test_the_changed_key_is_named_and_the_number_of_processes_may_change(tmp_path):
    def kept_with(**keys: object) -> Checkpoints:
        return Checkpoints(tmp_path, {"name": "mmae", "training": {"epochs": 2} | keys})

    kept_with(processes=2, checkpoint_minutes=10).save(1, {"epoch": 1})
    assert kept_with(processes=1, checkpoint_minutes=5).load() == {"epoch": 1}
    sentence = r"training\.epochs: found a checkpoint of 2, expected 3; delete .* to start anew$"
    with pytest.raises(InputError, match=sentence):
        kept_with(epochs=3).load()


def test_a_checkpoint_of_an_older_layout_is_told(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("mmae.training.checkpoint.LAYOUT", 1)
        Checkpoints(tmp_path, IDENTITY).save(1, {"epoch": 1})
    with pytest.raises(InputError, match="layout: found a checkpoint of 1, expected 3; delete"):
        Checkpoints(tmp_path, IDENTITY).load()


@pytest.mark.parametrize(
    ("size", "length", "words"),
    [
        (16, 40, "modality 'spectrum', wave: found 40 values from .*, expected 32 values"),
        (24, 32, "modality 'image', size: found 24, expected 16, as the model was trained on"),
    ],
)
def test_a_checkpoint_of_galaxies_of_another_geometry_is_told(kept, size, length, words):
    """Of the same config: sizes follow from the data."""
    run(kept)
    torch.manual_seed(3)
    model = build_model(SMALL_PAPER | {"dropout": 0.2}, modalities_of(size, length))
    others = made_up_galaxies(size=size, length=length)
    with pytest.raises(InputError, match=rf"^{kept.folder}: {words}"):
        fit(model, others, SPLIT, 0.5, 3, SETTINGS, kept)


def test_two_that_do_the_same_training_do_each_other_no_harm(kept, undisturbed, at_step):
    """A job that its scheduler lost goes on beside the one that was started in its stead."""
    other = Checkpoints(kept.folder, IDENTITY)

    def finish_the_other() -> None:
        at_step(10**6, warn)
        same(run(other), undisturbed)
        other.clear()

    at_step(8, finish_the_other)
    same(run(kept), undisturbed)
    kept.clear()
    assert not kept.folder.exists()


def test_files_of_others_are_neither_read_nor_deleted(kept, undisturbed):
    """As of a user who keeps checkpoints in a folder of his own."""
    kept.folder.mkdir()
    mine = ["thesis.tex", "best.pt", "best.sha256", "zoo.pt", "run/000000001.pt"]
    for name in mine:
        (kept.folder / name).parent.mkdir(exist_ok=True)
        (kept.folder / name).write_text("years of work")
    (kept.folder / ".000000003.pt.0123456789ab.part").write_text("of one that was killed")
    for _ in range(2):
        same(run(kept), undisturbed)
    assert len([*kept.folder.glob("0*.pt")]) == 2
    kept.clear()
    left = {p.relative_to(kept.folder).as_posix() for p in kept.folder.rglob("*") if p.is_file()}
    assert left == set(mine)


def test_checkpoints_that_vanish_as_they_are_deleted_are_no_error(kept, monkeypatch):
    for step in range(3):
        kept.save(step, {})
    gone = [kept.folder / f"{step:09d}.pt" for step in (7, 8, 9)]
    monkeypatch.setattr(kept, "_paths", lambda: gone)
    assert kept.save(10, {})
    kept.clear()
    assert not kept.folder.exists()


def test_a_full_disk_costs_a_checkpoint_and_nothing_else(kept, undisturbed, monkeypatch, caplog):
    save, saves = torch.save, []

    def full(*arguments):
        saves.append(1)
        if len(saves) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*arguments)

    monkeypatch.setattr(torch, "save", full)
    same(run(kept), undisturbed)
    assert "No space left on device" in caplog.text
    monkeypatch.undo()
    assert [path.suffix for path in sorted(kept.folder.iterdir())] == [".pt", ".sha256"]
    same(run(kept), undisturbed)


def test_a_diverging_training_keeps_its_last_good_checkpoint(kept, at_step):
    images = ARRAYS.values["image"]

    def explode() -> None:
        # what is not a number is missing, but this is one
        images[:] = np.float32(1e38)

    whole = images.copy()
    at_step(7, explode)
    try:
        sentence = r"epoch 2 that is not finite.*checkpoint before is kept"
        with pytest.raises(Diverged, match=sentence):
            run(kept)
    finally:
        images[:] = whole
    state = kept.load()
    assert state["epoch"] == 2
    assert all(torch.isfinite(value).all() for value in state["model"].values())


COMMAND = (sys.executable, "-m", "mmae")


def train_words(survey: SmallSurvey, folder: Path, **own: object) -> list[str]:
    """Of `mmae train`, with the model's own keys of training."""
    model = SMALL_PAPER | {"training": own}
    config = json.dumps(
        {
            "models": {"mmae": model},
            "training": vars(training_with(epochs=5, batch_size=8)),
        }
    )
    return [
        *("train", "--config", config),
        *("--arrays", str(survey.arrays), "--split", str(survey.split)),
        *("--model", "mmae", "--mask", "0.5", "--seed", "1"),
        *("--checkpoints", str(folder / "checkpoints")),
        *("--output", str(folder / "model"), "--cost", str(folder / "cost.json")),
    ]


@pytest.fixture(scope="module")
def whole(small_survey, tmp_path_factory) -> Path:
    """What the command makes if nobody kills it."""
    folder = tmp_path_factory.mktemp("whole")
    assert run_mmae(*train_words(small_survey, folder)).returncode == 0
    return folder


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("start", marks=pytest.mark.nightly),
        pytest.param("middle", marks=pytest.mark.nightly),
        "while a checkpoint is written",
    ],
)
def test_kill_9_at_any_moment_gives_the_same_bytes(small_survey, tmp_path, whole, moment):
    killed = tmp_path / "killed"
    checkpoints = killed / "checkpoints"
    process = subprocess.Popen(
        [*COMMAND, *train_words(small_survey, killed)],
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL},
    )
    ready = {
        "start": lambda: killed.exists(),
        "middle": lambda: any(checkpoints.glob("*.sha256")),
        "while a checkpoint is written": lambda: any(checkpoints.glob(".*")),
    }[moment]
    while not ready() and process.poll() is None:
        time.sleep(0.0005)
    process.kill()
    process.wait()
    assert not (killed / "model").exists(), "too late for this test"
    assert run_mmae(*train_words(small_survey, killed)).returncode == 0
    for name in ("weights.safetensors", "history.csv", "model.json"):
        assert (killed / "model" / name).read_bytes() == (whole / "model" / name).read_bytes()
    assert not checkpoints.exists()


@pytest.mark.nightly
def test_a_model_s_own_number_of_processes_may_change(small_survey, tmp_path):
    words = train_words(small_survey, tmp_path, epochs=9, processes=2)
    process = subprocess.Popen([*COMMAND, *words], stderr=subprocess.DEVNULL)
    while not any((tmp_path / "checkpoints").glob("*.sha256")) and process.poll() is None:
        time.sleep(0.0005)
    process.terminate()
    assert process.wait() == TRY_AGAIN
    result = run_mmae(*train_words(small_survey, tmp_path, epochs=9))
    assert result.returncode == 0, result.stderr
    assert "going on from checkpoint" in result.stderr
