"""The `mmae` command in processes forked from one that has imported what most of them need.

Python's start and the imports take ten times as long as what most tests ask for. As a script it
reads what to run, a line of JSON each, and answers with the exit code.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

IMPORTED = (
    *("mmae.survey.simulated.simulate", "mmae.dataset.clean", "mmae.training.run"),
    *("mmae.training.fit", "mmae.evaluation.probe", "mmae.evaluation.scoring"),
    *(f"mmae.cli.{name}" for name in ("survey", "dataset", "training", "evaluation", "paper")),
)


def run(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess:
    """Run the command in a folder, with the environment as it is now."""
    server = _server()
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder, name) for name in ("stdout", "stderr")]
        for path in printed:
            path.touch()
        asked = [arguments, str(cwd), dict(os.environ), *map(str, printed)]
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, *(p.read_text() for p in printed))


@cache
def _server() -> subprocess.Popen:
    """The process that forks; it ends with this one."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, __file__], **pipes)


def _serve() -> None:
    """Fork for each line. The child returns, to run the command and to end as Python does."""
    for name in IMPORTED:
        import_module(name)
    gc.freeze()
    for line in sys.stdin:
        arguments, cwd, environment, *printed = json.loads(line)
        pid = os.fork()
        if not pid:
            break
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    else:
        sys.exit()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate([os.devnull, *printed]):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.argv = ["mmae", *arguments]


if __name__ == "__main__":
    _serve()
    import_module("mmae.cli").main()
