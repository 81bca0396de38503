"""The command line: every step explains itself and runs alone."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

import mmae
from helpers import PROJECT, assert_one_sentence, run_mmae
from mmae.cli import COMMANDS, group


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
    for key in ("training.learning_rate:", "training.device:", "training.augment:"):
        assert key in text
    assert "crossmatch" not in text
    text = run_mmae("study-masks", "--help").stdout
    for key in ("evaluation.batch_size:", "scoring.bootstrap_samples:"):
        assert key in text


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


def test_metrics_of_anything_are_json_without_a_warning(tmp_path):
    """Spaces and comments, galaxies without z_pred or z_spec, what overflows: left out, counted."""
    rows = ["0.1,0.1", "0.2,0.21", "0.3,0.3", "0.4,", ",0.3", "1e308,0.5", "0.5,-1e308", "-99,0.1"]
    (tmp_path / "p.csv").write_text("# of mine\n z_spec, z_pred\n" + "\n".join(rows))
    result = run_mmae("metrics", "p.csv", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))
    assert report["all"]["n"] == 3
    assert report["left_out"] == {"test": {"z_spec": 3, "z_pred": 2}}
    assert "Warning" not in result.stderr
    assert "left out of all metrics: 3 test galaxies without z_spec, 2 test" in result.stderr


def test_metrics_print_null_for_what_is_no_number(tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text("z_spec,z_pred\n0.1,0.1\n")
    report = {"all": {"bias": float("nan"), "bias_interval": [float("-inf"), 1.0]}}
    monkeypatch.setattr("mmae.evaluation.scoring.full_report", lambda *_: report)
    result = CliRunner().invoke(group, ["metrics", str(tmp_path / "p.csv"), "--json"])
    assert json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name)) == {
        "all": {"bias": None, "bias_interval": [None, 1.0]}
    }


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


def test_notebooks_run_alone_and_know_their_parameters(tmp_path):
    (tmp_path / "report.csv").write_text("cut,removed,remaining\ncross-matched,0,9\n")
    options = ["--set", "report", tmp_path / "report.csv", "--set", "table", tmp_path / "t.csv"]
    source, executed = "notebooks/cleaning.ipynb", tmp_path / "new" / "cleaning.ipynb"
    result = run_mmae("notebook", source, executed, *options)
    assert result.returncode == 0, result.stderr
    assert "cross-matched,0,9,measured here" in (tmp_path / "t.csv").read_text()
    assert executed.is_file()
    result = run_mmae("notebook", source, executed, "--set", "tables", "t.csv")
    assert_one_sentence(result, "cleaning.ipynb", "no 'tables'", "['report', 'table']")


def test_a_notebook_that_fails_says_where(tmp_path):
    executed = tmp_path / "cleaning.ipynb"
    options = ["--set", "report", tmp_path / "none.csv", "--set", "table", tmp_path / "t.csv"]
    result = run_mmae("notebook", "notebooks/cleaning.ipynb", executed, *options)
    assert_one_sentence(
        result, "cleaning.ipynb: cell", "none.csv: found no such file", str(executed)
    )
    assert executed.is_file()
    assert not (tmp_path / "t.csv").exists()
