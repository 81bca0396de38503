"""A SLURM cluster, asked before the first job whether it has what a profile names."""

import argparse
import getpass
import re
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmae.errors import InputError

PATIENCE = 60
"""Seconds for an answer of SLURM; a busy controller takes some."""


class Request(NamedTuple):
    """What the jobs of a rule ask of SLURM; empty where they ask nothing."""

    rule: str
    partition: str = ""
    """More than one are separated by commas, as SLURM wants them."""
    account: str = ""
    gpus: int = 0


def check_requests(requests: Iterable[Request], where: str) -> None:
    """Check what jobs ask for against what the cluster has.

    Parameters
    ----------
    requests : iterable of Request
    where : str
        The profile, for the message.

    Raises
    ------
    InputError
        If SLURM does not answer, has no such partition, has no GPU in it where one is asked for,
        or says that the account is not this user's.
    """
    requests = sorted(set(requests))
    has_gpus = _partitions()
    with_gpus = [name for name in sorted(has_gpus) if has_gpus[name]]
    for request in requests:
        names = _names(request.partition)
        found = [f"{name!r}, which SLURM does not have" for name in names if name not in has_gpus]
        expected = f"one of {', '.join(sorted(has_gpus))}"
        if not found and names and request.gpus and not set(names) & set(with_gpus):
            found = [f"{request.partition!r} without GPUs, for which training.device asks"]
            expected = f"one of {', '.join(with_gpus)}" if with_gpus else "device: cpu"
        if found:
            key = f"slurm_partition of {request.rule}"
            raise InputError(where, key=key, found=found[0], expected=expected)
    if any(request.account for request in requests):
        _check_accounts(requests, where)


def _names(text: str) -> list[str]:
    """One or more names, as the executor and SLURM separate them."""
    return [name for name in re.split(r"[,\s]+", text) if name]


def profile_of(arguments: Sequence[str]) -> str:
    """Where Snakemake was told what to ask of SLURM, by its command line."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--profile", default="profiles/default")
    parser.add_argument("--workflow-profile")
    found, others = parser.parse_known_args(list(arguments))
    by_hand = any(word.startswith(("--set-resources", "--default-resources")) for word in others)
    return (found.workflow_profile or found.profile) + ", or the command line" * by_hand


def _check_accounts(requests: list[Request], where: str) -> None:
    """Raise InputError if an account is not this user's, or SLURM keeps none.

    The executor asks the same way: where it is told nothing, it takes any account.
    """
    user, known, silent = getpass.getuser(), set(), 0
    for command in (
        ("sacctmgr", "--noheader", "show", "associations", f"user={user}", "format=account%256"),
        ("sshare", "--noheader", "--Users", "--format=Account%256"),
    ):
        try:
            known = known or {name.lower() for name in _asked(*command).split()}
        except InputError:
            silent += 1
    for request in requests:
        for name in _names(request.account):
            key = f"slurm_account of {request.rule}"
            if silent == 2:
                expected = "none: delete its line"
                found = f"{name!r}, while SLURM keeps no accounts"
                raise InputError(where, key=key, found=found, expected=expected)
            if known and name.lower() not in known:
                found = f"{name!r}, which SLURM does not give to {user}"
                expected = f"one of {', '.join(sorted(known))}"
                raise InputError(where, key=key, found=found, expected=expected)


def _partitions() -> dict[str, bool]:
    """Names of all partitions, and whether any of their nodes has a GPU."""
    has_gpus: dict[str, bool] = {}
    for line in _asked("sinfo", "--all", "--noheader", "--format=%R %G").splitlines():
        name, _, resources = line.strip().partition(" ")
        has_gpus[name] = has_gpus.get(name, False) or "gpu" in resources
    return has_gpus


def _asked(*command: str) -> str:
    """What a command of SLURM prints.

    Raises
    ------
    InputError
        If there is no such command, or SLURM does not answer it.
    """
    try:
        result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)
    except OSError:
        raise InputError(
            "executor slurm",
            f"SLURM's commands are not found on this machine ({command[0]})",
            expected="a login node of the cluster, or another --workflow-profile",
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(
            "executor slurm", f"SLURM does not answer {command[0]} within {PATIENCE} seconds"
        ) from None
    if result.returncode:
        said = (result.stderr.strip() or "nothing").splitlines()[-1]
        raise InputError("executor slurm", f"SLURM does not answer {command[0]}: {said}")
    return result.stdout
