"""A real SLURM on this machine for tests: its own munge, one node, two partitions, a fake GPU."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
NODE = "node1"
CPUS, MEMORY_MB = 8, 12_000
"""More CPUs than there may be: simulating asks for eight."""

USUAL = Path("/etc/slurm/slurm.conf")
"""Where jobs look, whose environment Snakemake clears of SLURM's variables."""

CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MinJobAge=600
GresTypes=gpu
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} \
RealMemory={memory} Gres=gpu:toy:1 State=UNKNOWN
PartitionName=cpu Nodes={node} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={node} MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """What this machine lacks for a SLURM of its own."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    lacking = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    lacking += [] if os.geteuid() == 0 else ["root"]
    return lacking + ([f"no {USUAL} already"] if USUAL.exists() else [])


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start munge, controller and node daemon in a folder; stop all of them in the end.

    Yields
    ------
    dict of str to str
        Environment in which `sbatch` and `squeue` find this cluster.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    # munge insists on it
    folder.chmod(0o755)
    text = CONF.format(
        **{"host": socket.gethostname(), "folder": folder, "node": NODE},
        **{"cpus": CPUS, "memory": MEMORY_MB},
        **{"controller_port": free_port(), "node_port": free_port()},
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text("Name=gpu Type=toy File=/dev/null\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    environment = os.environ | {
        "PATH": os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]),
        "SLURM_CONF": str(folder / "slurm.conf"),
    }
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    daemons = [
        ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D", "-N", NODE],
    ]
    running = []
    USUAL.parent.mkdir(exist_ok=True)
    # a link of a killed test leads nowhere
    USUAL.unlink(missing_ok=True)
    USUAL.symlink_to(folder / "slurm.conf")
    try:
        for command in daemons:
            with (folder / f"{command[0]}.out").open("wb") as output:
                running.append(
                    subprocess.Popen(
                        command, env=environment, stdout=output, stderr=subprocess.STDOUT
                    )
                )
            if command[0] == "munged":
                wait_for(lambda: (folder / "munge.socket").exists(), folder)
        wait_for(lambda: "idle" in state(environment), folder)
        yield environment
    finally:
        USUAL.unlink()
        subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True)
        for daemon in reversed(running):
            daemon.terminate()
        for daemon in reversed(running):
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def state(environment: dict[str, str]) -> str:
    """What `sinfo` says of the node."""
    command = ["sinfo", "--noheader", "--format=%t"]
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def wait_for(condition, folder: Path, seconds: float = 60) -> None:
    """Wait until a condition holds; the daemons' logs are told if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            files = sorted([*folder.glob("*.log"), *folder.glob("*.out")])
            logs = [path.read_text(errors="replace")[-1500:] for path in files]
            raise TimeoutError("SLURM did not start:\n" + "\n".join(logs))
        time.sleep(0.2)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
