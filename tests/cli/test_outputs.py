"""No option of any command destroys what the user has: told while options are read."""

import os
from pathlib import Path

import click
import pytest

from helpers import assert_one_sentence, run_mmae
from mmae.cli import COMMANDS, group
from mmae.errors import InputError

ctx = click.Context(group)
STEPS = {name: group.get_command(ctx, name) for name in COMMANDS}
PATHS = [
    (step, param.name)
    for step, command in STEPS.items()
    for param in command.params
    if isinstance(param.type, click.Path)
]
FOLDERS = {"desi", "arrays", "output", "checkpoints", "events", "results", "folder"}
"""Outputs that are folders."""


def is_output(param: click.Parameter) -> bool:
    return "writes" in getattr(param.callback, "__qualname__", "")


OUTPUTS = [
    (step, param.name)
    for step, command in STEPS.items()
    for param in command.params
    if isinstance(param.type, click.Path) and is_output(param)
]


def words_of(step: str, home: Path, **given: object) -> list[str]:
    """A command line of a step, with inputs and outputs in a folder unless they are given."""
    words = [step]
    for param in STEPS[step].params:
        value = given.get(param.name)
        if value is None and not param.required:
            continue
        if value is None and isinstance(param.type, click.Path):
            value = home / f"{param.name}.{'out' if is_output(param) else 'in'}"
        elif value is None:
            value = {"view": "image0.25-spectrum1.00", "groups": home / "g", "record": 1}.get(
                param.name, "0"
            )
        if isinstance(param, click.Option):
            words.append(param.opts[0])
            words += map(str, value) if param.nargs > 1 else [str(value)]
        else:
            words.append(str(value))
    return words


def refused(step: str, home: Path, **given: object) -> str:
    """The sentence with which a command line is refused while its options are read."""
    with pytest.raises(InputError) as caught:
        STEPS[step].make_context(step, words_of(step, home, **given)[1:])
    return str(caught.value)


def test_each_path_is_known_as_input_or_output():
    for step, name in PATHS:
        (param,) = [p for p in STEPS[step].params if p.name == name]
        assert param.callback is not None, (step, name)
        if isinstance(param, click.Option):
            told = any(word in param.help for word in ("to write", "to unpack", "of event files"))
            told = told or name in ("checkpoints", "knn_validation", "mlp_validation")
            assert told == is_output(param), (step, name)
    assert len(OUTPUTS) > 40


@pytest.mark.parametrize(("step", "name"), OUTPUTS)
def test_a_folder_of_the_users_is_refused_and_stays(tmp_path, step, name):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    shared = name in ("checkpoints", "events", "results", "folder") or step == "fetch-zcatalog"
    taken = mine / "thesis.tex" if shared else mine
    assert refused(step, tmp_path, **{name: taken}).startswith(f"{taken}: found a f")
    assert (mine / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(("step", "name"), OUTPUTS)
def test_a_device_is_refused(tmp_path, step, name):
    assert "/dev/stdout: found a device" in refused(step, tmp_path, **{name: "/dev/stdout"})


@pytest.mark.parametrize(
    ("step", "name"), [(step, name) for step, name in OUTPUTS if name not in FOLDERS]
)
def test_an_output_is_no_input(tmp_path, step, name):
    """The same path, a link, a hard link, another way to write it."""
    if step in ("fetch-published", "simulate-survey"):
        pytest.skip("it has no input")
    paths = [p for p in STEPS[step].params if isinstance(p.type, click.Path) and not is_output(p)]
    chosen = paths[0].name if paths else {"fetch-galaxiesml": "files"}.get(step, "file")
    given = tmp_path / "given"
    given.write_text("a catalogue")
    os.link(given, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(given)
    is_link = (step, name) == ("fetch-released", "dataset")
    for way in ("given", "hard", "soft", "folder/../given"):
        if is_link and way == "soft":
            continue
        (tmp_path / "folder").mkdir(exist_ok=True)
        said = refused(step, tmp_path, **{chosen: given, name: tmp_path / way})
        assert "which is also" in said or is_link, (way, said)
    assert given.read_text() == "a catalogue"


def test_outputs_and_inputs_inside_each_other(tmp_path):
    """Refused where a file of an input would be lost, or an input with the folder around it."""
    arrays = tmp_path / "arrays.in"
    arrays.mkdir()
    (arrays / "images.npy").touch()
    inside = {"arrays": arrays, "cost": arrays / "images.npy"}
    assert "--cost: found" in refused("train", tmp_path, **inside)
    assert "which has in it --arrays" in refused(
        "train", tmp_path, arrays=tmp_path / "out/arrays", output=tmp_path / "out"
    )
    assert "which has in it --checkpoints" in refused(
        "train", tmp_path, output=tmp_path / "out", checkpoints=tmp_path / "out/c"
    )
    assert "--predictions: found" in refused(
        "predict", tmp_path, predictions=tmp_path / "a", validation=tmp_path / "a"
    )
    tree = {"tree": tmp_path, "group": 0}
    assert "inside --tree" in refused(
        "fetch-spectra",
        tmp_path,
        **tree,
        matches="m",
        spectra=tmp_path / "healpix/a/1/coadd-a.fits",
    )


def test_results_may_lie_beside_the_data_and_a_link_be_made_again(tmp_path):
    """What destroys nothing is allowed."""
    data = tmp_path / "data.hdf5"
    data.touch()
    (tmp_path / "link").symlink_to(data)
    for step, given in (
        ("fetch-spectra", {"tree": tmp_path, "spectra": tmp_path / "clone/results/s.hdf5"}),
        ("fetch-released", {"file": data, "dataset": tmp_path / "link"}),
        ("train", {"checkpoints": tmp_path, "events": tmp_path, "output": tmp_path / "model"}),
        ("restore", {"archive": tmp_path / "results/archive", "results": tmp_path / "results"}),
    ):
        STEPS[step].make_context(step, words_of(step, tmp_path, **given)[1:])
    STEPS["archive"].make_context(
        "archive",
        words_of("archive", tmp_path, results=tmp_path / "r", output=tmp_path / "r/archive")[1:],
    )


def test_a_config_is_an_input(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("split: {}\n")
    said = refused("split", tmp_path, config=config, split=config)
    assert "which is also" in said
    assert config.read_text() == "split: {}\n"


def test_the_command_ends_with_one_sentence(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    result = run_mmae(*words_of("split", tmp_path, split=tmp_path / "mine"))
    assert_one_sentence(result, "mine: found a folder, expected a file")
    assert (tmp_path / "mine/thesis.tex").exists()
