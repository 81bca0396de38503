"""What a training tells: words for people, and logs that neither change it nor end it."""

import os
import re
import signal
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from galaxies import SMALL_PAPER, made_up_galaxies, modalities_of, split_of, training_with
from mmae.models import build_model
from mmae.training import fit as training_loop
from mmae.training.checkpoint import Checkpoints
from mmae.training.fit import Fitted, fit
from mmae.training.tensorboard_log import FILES, TensorBoardLog

ARRAYS, SPLIT = made_up_galaxies(), split_of(64)
# four batches of eight an epoch
SETTINGS = training_with(epochs=3, batch_size=8)
LOSSES = ("image", "spectrum", "redshift", "total")


def run(*logs, checkpoints: Checkpoints | None = None) -> Fitted:
    torch.manual_seed(3)
    return fit(
        build_model(SMALL_PAPER, modalities_of()),
        ARRAYS,
        SPLIT,
        0.5,
        3,
        SETTINGS,
        checkpoints,
        logs,
    )


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag, as TensorBoard shows them."""
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = read.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in tags}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Fitted, dict]:
    """An undisturbed training, and its log."""
    folder = tmp_path_factory.mktemp("logs")
    fitted = run(TensorBoardLog(folder, 1))
    return fitted, scalars(folder)


def same(one: Fitted, other: Fitted) -> None:
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    for name, value in one.best.items():
        assert torch.equal(value, other.best[name]), name


def without_speed(log: dict) -> dict:
    return {tag: points for tag, points in log.items() if "per_second" not in tag}


def test_a_log_changes_no_byte_of_the_training(whole):
    same(run(), whole[0])


def test_the_log_has_steps_and_the_rows_of_the_history(whole):
    fitted, log = whole
    for name in LOSSES:
        points = log[f"step/{name}"]
        assert [step for step, _ in points] == [*range(1, 13)]
        # batches are equally large: an epoch's loss is the mean of its steps'
        for epoch in range(3):
            mean = sum(value for _, value in points[4 * epoch : 4 * epoch + 4]) / 4
            assert mean == pytest.approx(fitted.history[f"train_{name}"][epoch], rel=1e-5)
    for column, tag in {
        **{f"train_{name}": f"train/{name}" for name in LOSSES},
        "validation_total": "validation/total",
        "validation_sigma_nmad": "validation/sigma_nmad",
        "epoch": "epoch/number",
    }.items():
        assert [step for step, _ in log[tag]] == [4, 8, 12]
        assert [value for _, value in log[tag]] == pytest.approx([*fitted.history[column]])
    assert all(speed > 0 for _, speed in log["epoch/galaxies_per_second"])


def test_the_learning_rate_is_that_of_the_step(whole):
    model = build_model(SMALL_PAPER, modalities_of())
    optimizer = training_loop.make_optimizer(model, SETTINGS)
    schedule = training_loop.make_schedule(optimizer, SETTINGS, 4)
    rates = []
    for _ in range(12):
        rates.append(optimizer.param_groups[-1]["lr"])
        optimizer.step()
        schedule.step()
    assert [rate for _, rate in whole[1]["step/learning_rate"]] == pytest.approx(rates)


def test_steps_are_written_every_so_many(tmp_path):
    run(TensorBoardLog(tmp_path, 5))
    assert [step for step, _ in scalars(tmp_path)["step/total"]] == [5, 10]


def interrupted(monkeypatch, load: int, log: TensorBoardLog, kept: Checkpoints) -> None:
    """Train until SIGTERM comes, as a batch is loaded."""
    loads, load_batch = [], training_loop.load_batch

    def counting(*arguments):
        loads.append(1)
        # the first batch is the sample by which a model is prepared
        if len(loads) == load + 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return load_batch(*arguments)

    monkeypatch.setattr(training_loop, "load_batch", counting)
    with pytest.raises(SystemExit):
        run(log, checkpoints=kept)
    monkeypatch.undo()


# four batches of training galaxies are followed by two of validation galaxies
@pytest.mark.parametrize("load", [1, 3, 4, 5, 7, 11])
def test_an_interrupted_training_goes_on_in_its_log(whole, tmp_path, monkeypatch, load):
    folder, kept = tmp_path / "logs", Checkpoints(tmp_path / "kept", {})
    interrupted(monkeypatch, load, TensorBoardLog(folder, 1), kept)
    same(run(TensorBoardLog(folder, 1), checkpoints=kept), whole[0])
    assert len([*folder.glob(FILES)]) == 2
    expected = without_speed(whole[1])
    if load == 4:
        # between the last step and its validation: the step's own point is lost
        for name in (*LOSSES, "learning_rate"):
            expected[f"step/{name}"] = [p for p in expected[f"step/{name}"] if p[0] != 4]
    assert without_speed(scalars(folder)) == expected


@pytest.mark.parametrize("save", [1, 2, 3])
def test_what_was_logged_after_the_last_checkpoint_is_not_there_twice(
    whole, tmp_path, monkeypatch, save
):
    """Killed after an epoch was logged and before it was kept."""
    folder, kept, saves = tmp_path / "logs", Checkpoints(tmp_path / "kept", {}), []
    keep = training_loop._save

    def killed(*arguments):
        saves.append(1)
        if len(saves) == save:
            raise KeyboardInterrupt
        keep(*arguments)

    monkeypatch.setattr(training_loop, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(TensorBoardLog(folder, 1), checkpoints=kept)
    monkeypatch.undo()
    same(run(TensorBoardLog(folder, 1), checkpoints=kept), whole[0])
    assert without_speed(scalars(folder)) == without_speed(whole[1])


def test_killed_between_the_last_step_and_its_validation(whole, tmp_path, monkeypatch):
    """The epoch may have been logged by who went on from there, and died before it was kept."""
    folder, kept = tmp_path / "logs", Checkpoints(tmp_path / "kept", {})
    interrupted(monkeypatch, 4, TensorBoardLog(folder, 1), kept)

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_loop, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(TensorBoardLog(folder, 1), checkpoints=kept)
    monkeypatch.undo()
    same(run(TensorBoardLog(folder, 1), checkpoints=kept), whole[0])
    log = scalars(folder)
    assert max(Counter(step for step, _ in log["step/total"]).values()) == 1
    assert [step for step, _ in log["train/total"]] == [4, 8, 12]


def test_a_training_begun_anew_forgets_the_one_before(whole, tmp_path):
    run(TensorBoardLog(tmp_path, 2))
    run(TensorBoardLog(tmp_path, 1))
    assert len([*tmp_path.glob(FILES)]) == 1
    assert without_speed(scalars(tmp_path)) == without_speed(whole[1])


def test_event_files_of_other_programs_stay(tmp_path):
    others = ["events.out.tfevents.1600000000.host.123.0", "events.out.tfevents.1600000000.host"]
    for name in others:
        (tmp_path / name).touch()
    for _ in range(2):
        run(TensorBoardLog(tmp_path, 1))
    assert len([*tmp_path.glob(FILES)]) == 1
    assert all((tmp_path / name).exists() for name in others)


def test_a_folder_that_cannot_be_written_costs_the_log_alone(whole, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    same(run(TensorBoardLog(tmp_path / "file/logs", 1)), whole[0])
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "the log for TensorBoard is not written any more" in warning.getMessage()


def test_a_full_disk_costs_the_log_alone(whole, tmp_path, caplog):
    log = TensorBoardLog(tmp_path, 1)
    begin = log.begin

    def begin_on_a_full_disk(*arguments):
        begin(*arguments)
        log.file._py_recordio_writer._writer = open("/dev/full", "wb", buffering=0)  # noqa: SIM115

    log.begin = begin_on_a_full_disk
    same(run(log), whole[0])
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "No space left on device" in warning.getMessage()


@pytest.mark.parametrize("part", ["begin", "step", "epoch", "end"])
def test_a_log_that_fails_leaves_the_training_and_other_logs_alone(whole, tmp_path, caplog, part):
    class Failing(TensorBoardLog):
        name = "a bad log"

    def fail(*arguments):
        raise RuntimeError("a fault")

    bad, good = Failing(tmp_path / "bad", 1), TensorBoardLog(tmp_path / "good", 1)
    setattr(bad, part, fail)
    same(run(bad, good), whole[0])
    assert without_speed(scalars(tmp_path / "good")) == without_speed(whole[1])
    assert caplog.text.count("a bad log is not written any more (a fault)") == 1


def test_other_processes_than_the_first_say_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("mmae.progress.LINE_EVERY_SECONDS", -1.0)
    caplog.set_level("INFO")
    run(TensorBoardLog(tmp_path, 1))
    assert [*tmp_path.iterdir()] == []
    assert "epoch" not in caplog.text


def test_lines_say_epoch_losses_speed_and_time_left(monkeypatch, caplog):
    monkeypatch.setattr("mmae.progress.LINE_EVERY_SECONDS", -1.0)
    caplog.set_level("INFO")
    history = run().history
    steps = [line for line in caplog.messages if "step" in line]
    assert len(steps) == 12
    words = r"epoch 2 of 3: step 3 of 4, loss \d\.\d{4} \(image .*, spectrum .*, redshift .*\), "
    assert re.fullmatch(words + r"\d+ galaxies/s, \d+ s left", steps[6])
    assert steps[-1].endswith("galaxies/s, 0 s left")
    # at the end of an epoch its losses so far are all of it
    assert f"loss {history['train_total'][2]:.4f} (" in steps[-1]
    (epoch,) = [line for line in caplog.messages if line.startswith("epoch 2 of 3: loss")]
    row = history.iloc[1]
    assert epoch.startswith(
        f"epoch 2 of 3: loss {row['train_total']:.4f}, validation loss "
        f"{row['validation_total']:.4f}, sigma_NMAD {row['validation_sigma_nmad']:.4f}; "
    )
    assert re.search(r"\d+ galaxies/s, \d+ s left$", epoch)
