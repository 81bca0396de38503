"""The command line: every step explains itself and runs alone."""

import subprocess
import sys

import pytest

import mmae
from helpers import PROJECT, run_mmae
from mmae.cli import COMMANDS


def test_version():
    assert run_mmae("--version").stdout.strip() == f"mmae, version {mmae.__version__}"


def test_help_lists_every_step_in_the_order_of_the_paper():
    text = run_mmae("--help").stdout
    places = [text.index(f"  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_step_explains_itself(name):
    result = run_mmae(name, "--help")
    assert result.returncode == 0
    assert f"mmae {name}" in result.stdout
    assert len(result.stdout.split("\n\n")[1]) > 20  # what it does, in words


def test_steps_tell_the_config_keys_that_they_read():
    text = run_mmae("train", "--help").stdout
    for key in ("training.learning_rate:", "training.device:", "models.<model>.dim:"):
        assert key in text
    assert "crossmatch" not in text


def test_data_steps_do_not_wait_for_torch():
    code = (
        "import sys; from mmae.cli import COMMANDS, group; "
        "[group.get_command(None, name) for name in COMMANDS]; "
        "print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["False", "False"], result.stderr


def test_the_schema_is_printed_as_it_is_kept():
    assert run_mmae("schema").stdout == (PROJECT / "config/schema.yaml").read_text()


def test_steps_run_from_another_folder_without_a_config(tmp_path):
    (tmp_path / "p.csv").write_text("z_spec,z_pred\n0.1,0.1\n0.2,0.21\n0.3,0.3\n")
    result = run_mmae("metrics", "p.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "all: 0 < z_spec <= 4.2, 3 galaxies" in result.stdout


def test_a_step_that_needs_a_config_says_so(tmp_path):
    result = run_mmae(
        "crossmatch",
        *("--galaxiesml", "a", "--desi", "b"),
        *("--matches", "c", "--contested", "d", "--counts", "e"),
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "mmae: error: config: crossmatch: found no such section, expected its keys"
    )
