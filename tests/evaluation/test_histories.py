"""Histories of all trainings in one table."""

import json
from pathlib import Path

import pandas as pd
import pytest

from helpers import assert_one_sentence, run_mmae
from mmae.errors import InputError
from mmae.evaluation.histories import kept_epochs, read_histories, runs_below

ROWS = {
    "mmae": "epoch,train_image,train_total,validation_total,validation_sigma_nmad\n"
    "1,4.0,2.0,1.5,0.2\n2,3.0,1.0,0.5,0.1\n3,2.0,0.5,0.75,0.08\n",
    "gbdt": "epoch,validation_total,validation_sigma_nmad\n1,0.01,0.03\n",
}


def write_run(models: Path, name: str, mask: float, seed: int = 0) -> Path:
    folder = models / name / f"mask{mask:.2f}" / f"seed{seed}"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text(ROWS[name])
    (folder / "model.json").write_text(json.dumps({"name": name, "mask": mask, "seed": seed}))
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name, mask, seed in (("mmae", 0.75, 0), ("mmae", 0.5, 1), ("gbdt", 0.0, 0)):
        write_run(tmp_path / "models", name, mask, seed)
    return tmp_path / "models"


def test_all_runs_are_in_one_table(models):
    table = read_histories(runs_below(models))
    rows = table[["model", "mask", "seed", "epoch"]].to_numpy().tolist()
    assert rows == [
        ["gbdt", 0.0, 0, 1],
        *(["mmae", 0.5, 1, epoch] for epoch in (1, 2, 3)),
        *(["mmae", 0.75, 0, epoch] for epoch in (1, 2, 3)),
    ]
    assert table["train_image"].tolist()[1:] == [4.0, 3.0, 2.0] * 2
    assert table["train_image"].isna().tolist() == [True] + [False] * 6


def test_the_kept_epoch_is_that_of_the_lowest_validation_loss(models):
    kept = kept_epochs(read_histories(runs_below(models)))
    assert kept["model"].tolist() == ["gbdt", "mmae", "mmae"]
    assert kept["kept"].tolist() == [1, 2, 2]
    assert kept["epochs"].tolist() == [1, 3, 3]
    assert kept["validation_sigma_nmad"].tolist() == [0.03, 0.1, 0.1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("history.csv", "", "history.csv: found no table"),
        ("history.csv", "epoch,validation_total\n1,2\n", "column validation_sigma_nmad"),
        ("history.csv", ROWS["gbdt"].splitlines()[0] + "\n", "found no epoch"),
        ("history.csv", ROWS["gbdt"].replace("0.01", "x"), "column validation_total: found text"),
        ("history.csv", None, "history.csv: found no such file"),
        ("model.json", "{", "model.json: found no JSON"),
        ("model.json", '{"name": "gbdt", "seed": 0}', "model.json: mask: found no such key"),
    ],
)
def test_a_damaged_run_is_told_in_a_sentence(models, name, content, words):
    folder = models / "gbdt/mask0.00/seed0"
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=words):
        read_histories([folder])


def test_without_runs_it_is_told(tmp_path):
    with pytest.raises(InputError, match="found no trained model"):
        read_histories([])
    with pytest.raises(InputError, match=r"found no history\.csv in any folder"):
        runs_below(tmp_path)


def test_the_commands_write_figure_and_table(models, tmp_path):
    figure, table = tmp_path / "history.pdf", tmp_path / "histories.csv"
    result = run_mmae("history", "--models", models, "--figure", figure)
    assert (result.returncode, result.stderr) == (0, "")
    assert figure.read_bytes().startswith(b"%PDF")
    assert figure.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    run = models / "mmae/mask0.50/seed1"
    result = run_mmae("collect-histories", run, "--table", table)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(pd.read_csv(table)) == 3
    result = run_mmae("history", models / "gbdt/mask0.00/seed0", "--figure", figure)
    assert_one_sentence(result, "histories: found no model that trains by epochs")
