"""Wrong calls of every command: one sentence that says what was found, and nothing is written."""

import json
import shutil
import sys
from pathlib import Path

import h5py
import pytest
import torch

from helpers import PROJECT, SmallSurvey
from mmae.cli import COMMANDS, main

LONG = "a" * 300
DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000
GOOD = "z_spec,z_pred\n" + "".join(f"0.{k},0.{k}1\n" for k in range(1, 9))
NOT_YAML = "found no YAML"


def emptied(source: Path, path: Path) -> None:
    """A copy of an HDF5 file without rows."""
    with h5py.File(source) as old, h5py.File(path, "w") as new:

        def without_rows(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset):
                new.create_dataset(name, (0, *item.shape[1:]), item.dtype)

        old.visititems(without_rows)


@pytest.fixture(scope="module")
def places(small_survey: SmallSurvey, trained_model: Path, tmp_path_factory) -> dict[str, str]:
    """Names in the calls: good files of the small survey, and files that are wrong."""
    home = tmp_path_factory.mktemp("wrong")
    (home / "folder").mkdir()
    (home / "loop").symlink_to("pool")
    (home / "pool").symlink_to("loop")
    (home / "good.csv").write_text(GOOD)
    for ending in ("xz", "zip", "zst", "gz", "bz2", "tar", "tar.gz"):
        (home / f"false.csv.{ending}").write_text(GOOD)
    (home / "bytes").write_bytes(b"\xff\xfe\x00" * 99)
    (home / "deep.json").write_text(DEEP)
    (home / "digits.yaml").write_text(f"clean: {{chunk_size: 1{'0' * 5000}}}")
    (home / "list.yaml").write_text("[1, 2]")
    emptied(small_survey.dataset, home / "empty_dataset.hdf5")
    emptied(small_survey.galaxiesml, home / "empty_galaxiesml.hdf5")
    for name in ("deep", "bytes"):
        shutil.copytree(trained_model, home / f"model_{name}")
    (home / "model_deep/model.json").write_text(DEEP)
    (home / "model_bytes/model.json").write_bytes(b"\xff\xfe\x00")
    shutil.copytree(trained_model, home / "model_wide")
    description = json.loads((trained_model / "model.json").read_text())
    description["model"]["dim"] = 10**7
    (home / "model_wide/model.json").write_text(json.dumps(description))
    shutil.copytree(small_survey.arrays, home / "arrays_deep")
    (home / "arrays_deep/manifest.json").write_text(DEEP)
    (home / "no_cells.ipynb").write_text("{}")
    (home / "bad_cells.ipynb").write_text('{"cells": 5, "metadata": {}, "nbformat": 4}')
    given = {name: str(path) for name, path in small_survey._asdict().items() if name != "groups"}
    return {
        **given,
        "group": str(small_survey.groups[0]),
        "model": str(trained_model),
        "w": str(home),
        "long": f"{home}/{LONG}",
        "toy": "--config=config/config.yaml --config=config/toy.yaml",
        "train": "train --mask=0.75 --seed=0 --split={split} --output={new}/m --cost={new}/c",
        "predict": "predict --view=image0.25-spectrum1.00 --predictions={new}/p.csv",
        "tested": "--arrays={arrays} --split={split} --model={model}",
        "simulate": "simulate-survey --galaxiesml={new}/g --desi={new}/d --truth={new}/t",
    }


CALLS = [
    # false endings, and files that are none
    *((f"metrics {{w}}/false.csv.{e}", f"false.csv.{e}: found no table") for e in ("xz", "zip")),
    *((f"metrics {{w}}/false.csv.{e}", f"false.csv.{e}: found no table") for e in ("zst", "gz")),
    *((f"metrics {{w}}/false.csv.{e}", f"false.csv.{e}: found no table") for e in ("bz2", "tar")),
    ("metrics {w}/false.csv.tar.gz", "false.csv.tar.gz: found no table"),
    ("metrics {w}/bytes", "bytes: found no table ('utf-8' codec can't decode"),
    ("metrics {w}/folder", "folder: found no table"),
    ("metrics {w}/loop", "loop: found no such file"),
    ("metrics {long}.csv", "found no such file"),
    ("metrics {w}/good.csv/inside", "found no such file"),
    ("timing {w}/loop", "loop: found no such file"),
    ("timing {w}/folder", "found no benchmark of a job"),
    ("collect-histories {w}/folder --table={new}/t", "history.csv: found no such file"),
    ("history {w}/model_deep --figure={new}/h.pdf", "model.json: found no JSON (maximum recurs"),
    ("history {model} --figure={new}/h", "found the ending ''"),
    ("history --models={w}/loop --figure={new}/h.pdf", "loop: found no such file"),
    # configs
    ("metrics {w}/good.csv --config={w}/deep.json", NOT_YAML),
    ("metrics {w}/good.csv --config={w}/bytes", NOT_YAML),
    ("metrics {w}/good.csv --config={w}/list.yaml", "found list, expected a mapping"),
    ("metrics {w}/good.csv --config={w}/folder", "found no such file, expected a YAML config"),
    ("metrics {w}/good.csv --config={long}", "found no such file, expected a YAML config"),
    ("clean --config={w}/digits.yaml " + " ".join(f"--{name}=x" for name in (
        *("matches", "galaxiesml", "spectra", "dataset", "report", "removed"),)), NOT_YAML),
    ("metrics {w}/good.csv | scoring: 5", "config: scoring: found"),
    ("metrics {w}/good.csv | scoring: {bootstrap_samples: 10000000000}",
     "scoring.bootstrap_samples: found 10000000000, expected less than or equal to 1000000"),
    ("{train} --arrays={arrays} --model=mmae {toy} | models: 5",
     "config: models: found 5, expected entries by name"),
    ("tune --arrays={arrays} --split={split} --model=vit --table={new}/t {toy}", "found no 'vit'"),
    # sizes beyond all memory, threads by the thousand, masks that are no number
    ("{train} --arrays={arrays} --model=mmae {toy} | training: {threads: 100000}",
     "training.threads: found 100000, expected less than or equal to 512"),
    ("{predict} --model={model} {galaxiesml} {toy} "
     "| evaluation: {threads: 100000}", "evaluation.threads: found 100000"),
    ("{train} --arrays={arrays} --model=mmae {toy} "
     "| models: {mmae: {depth: 10000000}}", "models.mmae.depth: found 10000000"),
    ("{predict} --model={w}/model_wide {galaxiesml} {toy}", "model.dim: found 10000000"),
    ("{simulate} {toy} "
     "| survey: {simulate: {n_galaxies: 100000000000000}}", "n_galaxies: found"),
    ("probe {tested} --view=image0.00-spectrum1.00 --seed=0 --embeddings={new}/e "
     "--knn-predictions={new}/1 --knn-validation={new}/2 --mlp-predictions={new}/3 "
     "--mlp-validation={new}/4 {toy} | evaluation: {neighbours: 100000}",
     "evaluation.neighbours: found 100000, expected at most the 105 training galaxies"),
    ("{train} --mask=nan --arrays={arrays} --model=mmae {toy}", "nan is not in the range 0<=x<=1"),
    ("study-masks {tested} --test-mask=nan --table={new}/t {toy}", "nan is not in the range"),
    ("reconstruct {tested} --view=imagenan-spectrumnan --reconstructions={new}/r {toy}",
     "view: found 'imagenan-spectrumnan'"),
    ("score-reconstruction {tested} --view=image2.00-spectrum0.00 --table={new}/t {toy}",
     "view: found 'image2.00-spectrum0.00'"),
    ("{train} --arrays={arrays} --model=astroclip {toy} | training: {batch_size: 1}",
     "training.batch_size: found 1 galaxy a step, expected at least 2, which AstroClip compares"),
    # nothing inside
    ("training-arrays --dataset={w}/empty_dataset.hdf5 --arrays={new}/a {toy}", "found no galaxy"),
    ("split --dataset={w}/empty_dataset.hdf5 --split={new}/s {toy}", "found no galaxy"),
    (
        "embed-text --dataset={w}/empty_dataset.hdf5 --sentences={new}/s --vectors={new}/v",
        "found no galaxy",
    ),
    ("summarise --dataset={w}/empty_dataset.hdf5 --summary={new}/s", "found no galaxy"),
    ("fetch-released --file={w}/empty_dataset.hdf5 --dataset={new}/d --schema={new}/s {toy}",
     "found no galaxy"),
    ("check-split --dataset={w}/empty_dataset.hdf5 --split={split} --predictions={w}/good.csv "
     "--report={new}/r", "found no galaxy"),
    ("fetch-galaxiesml --file={w}/empty_galaxiesml.hdf5 --galaxiesml={new}/g {toy}",
     "found no galaxy"),
    ("crossmatch --galaxiesml={w}/empty_galaxiesml.hdf5 --desi={desi} --matches={new}/m "
     "--contested={new}/c --counts={new}/n {toy}", "found no row, expected galaxies"),
    ("{predict} --model={model} {w}/empty_galaxiesml.hdf5 {toy}", "found no galaxy"),
    ("{predict} --model={model} {w}/folder {toy}", "folder: found a folder without FITS files"),
    ("{predict} --model={model} {w}/good.csv {toy}", "dataset 'image': found only ['object_id', "),
    ("{predict} --model={model} --columns=a=b=c {w}/good.csv {toy}", "--columns: found 'a=b=c'"),
    ("cutouts {w}/folder --positions={w}/good.csv --galaxiesml={new}/g", "column ra: found only"),
    ("compare-models {w}/folder --model=restframe --paper=mmae --table={new}/t --figure={new}/f",
     "found"),
    ("metrics {w}/good.csv --columns=zspec=z_spec", "--columns: found 'zspec', expected some of"),
    ("metrics {w}/good.csv --columns=z_pred=zphot", "column zphot: found only"),
    # JSON and models
    ("{train} --arrays={w}/arrays_deep --model=mmae {toy}", "manifest.json: found no JSON"),
    ("{predict} --model={w}/model_deep {galaxiesml} {toy}", "model.json: found no description"),
    ("{predict} --model={w}/model_bytes {galaxiesml} {toy}", "model.json: found no description"),
    ("{predict} --model={w}/loop {galaxiesml} {toy}", "model.json: found no such file"),
    ("export {w}/loop --output={new}/e {toy}", "model.json: found no such file"),
    ("export {model} --output={new}/e --metrics={w}/deep.json {toy}", "found no JSON"),
    ("look --model={model} --view=image0.25-spectrum1.00 --page={new}/p {toy}", "Name either"),
    ("look --model={model} --view=image0.25-spectrum1.00 --page={new}/p {w}/loop {toy}",
     "found no such file"),
    # paths
    ("{train} --output={new}/{name} --arrays={arrays} --model=mmae {toy}", "File name too long"),
    ("restore --archive={long}.zip --results={new}/r", "File name too long"),
    ("restore --archive={w}/false.csv.zip --results={new}/r", "File is not a zip file"),
    ("archive --results={w}/loop --output={new}/a {toy}", "config: survey.name: found toy"),
    ("fetch-zcatalog --tree={w}/loop --desi={new}/d {toy}", "zall-pix-iron.fits: found no such"),
    ("fetch-spectra --matches={w}/good.csv --tree={desi} --group=0 --spectra={new}/s "
     "--unavailable={new}/u {toy}", "column targetid: found only"),
    ("collect-spectra --matches={w}/loop --group={group} --spectra={new}/s", "found no such file"),
    ("score --predictions={w}/false.csv.zip --survey=a --model=b --mask=c --seed=d --view=e "
     "--metrics={new}/m {toy}", "found no table"),
    # services
    ("fetch-archive 99999999999999999999 {new}/a", "record: found 99999999999999999999"),
    ("fetch-archive 5 {new}/a --url=ftp://a", "url: found 'ftp://a'"),
    ("fetch-published --quartermask={new}/q --nomask={new}/n | published: 5",
     "published: found 5"),
    # notebooks
    ("notebook {w}/deep.json {new}/n.ipynb", "deep.json: found no"),
    ("notebook {w}/good.csv {new}/n.ipynb", "good.csv: found no JSON"),
    ("notebook {w}/no_cells.ipynb {new}/n.ipynb", "found no cells, expected a Jupyter notebook"),
    ("notebook {w}/bad_cells.ipynb {new}/n.ipynb", "found no notebook"),
    ("notebook {w}/folder {new}/n.ipynb", "folder: found no JSON"),
    ("article {w}/bad_cells.ipynb --page={new}/p --opening={new}/o --survey=a --source=b {toy}",
     "found bad_cells"),
    # no such thing at all
    ("schema none", "Got unexpected extra argument (none)"),
    ("nosuch", "No such command 'nosuch'"),
]  # fmt: skip


def test_every_command_is_called_wrongly(places, tmp_path):
    commands = {words_of(call, places, tmp_path)[0] for call, _ in CALLS}
    assert commands - {"nosuch"} == set(COMMANDS)


@pytest.mark.parametrize(("call", "said"), CALLS, ids=[call for call, _ in CALLS])
def test_a_wrong_call_is_one_sentence(places, tmp_path, monkeypatch, capsys, call, said):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["mmae", *words_of(call, places, tmp_path)])
    n_threads = torch.get_num_threads()
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        torch.set_num_threads(n_threads)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    usage = last.startswith("Error: ")
    assert ended.value.code == (2 if usage else 1)
    assert usage or last.startswith("mmae: error: "), last
    assert "unforeseen" not in last
    assert said in last, last
    left = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert left == []


def words_of(call: str, places: dict[str, str], new: Path) -> list[str]:
    """Words of a call, whose names are looked up; behind | is a config, in YAML."""
    call, _, config = call.partition("| ")
    # the calls that others begin with have names, too
    for _ in range(2):
        call = call.format(**places, new=new, name=LONG)
    return [*call.split(), *([f"--config={{{config}}}"] if config else [])]
