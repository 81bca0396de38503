"""The rim of the command line: whatever goes wrong is one sentence, and no defect hides in it."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import click
import pytest

from helpers import PROJECT, run_mmae
from mmae import cli
from mmae.errors import InputError, in_one_sentence


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process, with `schema` replaced by what raises."""

    def run_raising(error: BaseException, *words: str, strict: bool = False) -> tuple[object, str]:
        @click.command()
        def raising() -> None:
            raise error

        monkeypatch.setattr(cli.Steps, "get_command", lambda *_: raising)
        monkeypatch.setattr(sys, "argv", ["mmae", *words, "schema"])
        monkeypatch.setenv(cli.STRICT, "1" if strict else "")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return run_raising


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("a.csv", found="b", expected="c"), "a.csv: found b, expected c"),
        (FileNotFoundError(2, "No such file or directory", "a"), "a: No such file or directory"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ValueError("two\nlines"), "unforeseen ValueError (two lines); mmae --traceback tells"),
        (RecursionError("deep"), "unforeseen RecursionError (deep)"),
        (MemoryError("1 TiB"), "memory: found too little"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 12 bytes"),
            "memory: found too little",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory: found too little"),
    ],
)
def test_what_is_raised_is_one_sentence(run, error, said):
    code, text = run(error)
    assert code == 1
    assert text.startswith(f"mmae: error: {said}")
    assert text.count("\n") == 1


def test_who_interrupts_gets_no_traceback(run):
    code, text = run(KeyboardInterrupt())
    assert (code, text.split()) == (1, ["Aborted!"])


def test_who_asks_gets_the_traceback(run):
    with pytest.raises(ValueError, match="a defect"):
        run(ValueError("a defect"), "--traceback")


def test_no_defect_hides_from_tests(run):
    with pytest.raises(ValueError, match="a defect"):
        run(ValueError("a defect"), strict=True)
    code, text = run(OSError(28, "No space left on device"), strict=True)
    assert (code, text) == (1, "mmae: error: No space left on device\n")


def test_the_tests_are_strict():
    assert os.environ[cli.STRICT] == "1"


def test_a_long_story_is_cut():
    said = in_one_sentence(ValueError("word " * 10_000))
    assert len(said) < 700


def test_a_reader_that_leaves_is_no_error():
    command = f'"{sys.executable}" -m mmae schema | head -n 1'
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=PROJECT)
    assert result.stderr == ""
    assert result.stdout.startswith("# Written by")


def test_a_locale_without_our_letters_is_no_error(tmp_path):
    environment = os.environ | {
        **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    }
    (tmp_path / "config.yaml").write_text(
        "# Å\nscoring: {bootstrap_samples: 5}\n", encoding="utf-8"
    )
    (tmp_path / "z.csv").write_text("z_spec,z_pred,Å\n0.1,0.1,µ\n0.2,0.2,µ\n", encoding="utf-8")
    words = ("metrics", tmp_path / "z.csv", "--config", tmp_path / "config.yaml")
    result = run_mmae(*words, env=environment)
    assert result.returncode == 0, result.stderr
    result = run_mmae("metrics", tmp_path / "Å.csv", env=environment)
    assert result.returncode == 1
    assert "found no such file" in result.stderr
    for name in ("train", "probe"):
        assert run_mmae(name, "--help", env=environment).returncode == 0


def test_an_interrupted_training_says_one_word(small_survey, tmp_path, toy_config):
    words = [sys.executable, "-m", "mmae", "train", "--model", "mmae", "--mask", "0.75"]
    words += ["--seed", "0", "--arrays", str(small_survey.arrays)]
    words += ["--split", str(small_survey.split), "--output", str(tmp_path / "model")]
    words += ["--cost", str(tmp_path / "cost.json"), *toy_config]
    words += ["--config", '{"training": {"epochs": 10000, "patience": 10000}}']
    training = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        # a shell ignores it in what it starts in the background, and all below inherit that
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    for line in training.stderr:
        if line.startswith("epoch 1 "):
            break
    time.sleep(0.1)
    training.send_signal(signal.SIGINT)
    _, text = training.communicate()
    assert training.returncode == 1
    assert "Traceback" not in text
    assert text.strip().endswith("Aborted!")
    assert list(tmp_path.iterdir()) == []
