"""Notebooks: always this Python as their kernel, and what ends one is a sentence."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from helpers import assert_one_sentence, run_mmae
from mmae.errors import InputError
from mmae.workflow import notebooks

WHICH = "import sys; print(sys.prefix, x)"


def write(path: Path, code: str, kernel: dict[str, str] | None = None) -> Path:
    """A notebook of one parameter, x, and one cell."""
    cells = [new_code_cell("x = 'a'", metadata={"tags": ["parameters"]}), new_code_cell(code)]
    metadata = {} if kernel is None else {"kernelspec": kernel}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def printed(executed: Path) -> str:
    """What its last cell printed."""
    return nbformat.read(executed, as_version=4).cells[-1].outputs[0].text.strip()


@pytest.mark.parametrize(
    "kernel",
    [
        None,
        {"name": "conda-env-other-py", "display_name": "other", "language": "python"},
        {"name": "ir", "display_name": "R", "language": "R"},
    ],
)
def test_the_kernel_is_this_python_whatever_the_notebook_names(tmp_path, kernel):
    source, executed = write(tmp_path / "a.ipynb", WHICH, kernel), tmp_path / "b.ipynb"
    notebooks.execute(source, executed, {"x": "given"})
    assert printed(executed) == f"{sys.prefix} given"


def test_the_kernel_is_this_python_whatever_jupyter_path_names(tmp_path, monkeypatch):
    spec = tmp_path / "kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    source, executed = write(tmp_path / "a.ipynb", WHICH), tmp_path / "b.ipynb"
    notebooks.execute(source, executed, {})
    assert printed(executed) == f"{sys.prefix} a"


def test_a_kernel_that_is_killed_is_one_sentence(tmp_path):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    result = run_mmae("notebook", write(tmp_path / "a.ipynb", code), tmp_path / "b.ipynb")
    assert_one_sentence(result, "a.ipynb: found no kernel that works (Kernel died)", "memory")
    assert result.stderr.count("\n") == 1


def test_a_kernel_that_does_not_start_is_one_sentence(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(notebooks, "KERNEL", (sys.executable, "-c", "raise SystemExit(3)"))
    source = write(tmp_path / "a.ipynb", WHICH)
    with pytest.raises(InputError, match=r"a\.ipynb: found no kernel that works \(Kernel died"):
        notebooks.execute(source, tmp_path / "b.ipynb", {})
    assert capfd.readouterr().err == ""


def test_a_kernel_that_does_not_answer_is_waited_for_and_one_sentence(tmp_path, monkeypatch):
    assert notebooks.PATIENCE >= 600, "busy machines"
    monkeypatch.setattr(notebooks, "PATIENCE", 1)
    sleeping = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(600)"
    monkeypatch.setattr(notebooks, "KERNEL", (sys.executable, "-c", sleeping))
    source = write(tmp_path / "a.ipynb", WHICH)
    with pytest.raises(InputError, match=r"no kernel that works .*respond in 1 seconds"):
        notebooks.execute(source, tmp_path / "b.ipynb", {})


def test_a_home_that_cannot_be_written_is_none_of_its_business(tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/dev/null/home"}
    source, executed = write(tmp_path / "a.ipynb", WHICH), tmp_path / "b.ipynb"
    result = run_mmae("notebook", source, executed, cwd=tmp_path, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert printed(executed) == f"{sys.prefix} a"
