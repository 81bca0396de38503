"""A cluster is asked before the first job whether it has what the profile names."""

import stat
from pathlib import Path

import pytest

from mmae.errors import InputError
from mmae.workflow.cluster import Request, check_requests, profile_of


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stand-ins for SLURM's commands: what each prints, or does."""

    def plan(**scripts: str) -> None:
        for name, script in scripts.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))

    return plan


SINFO = "printf 'cpu (null)\\ngpu gpu:a100:4(S:0-1)\\ngpu (null)\\nlong (null)\\n'"
NO_ACCOUNTS = "echo 'no database' >&2; exit 1"


def told(*requests: Request) -> str:
    with pytest.raises(InputError) as error:
        check_requests(requests, "profiles/mine/config.yaml")
    return str(error.value)


def test_what_the_cluster_has_is_accepted(answers):
    answers(sinfo=SINFO, sacctmgr="printf 'astro\\nguests\\n'")
    check_requests([Request("clean", "cpu", "Astro"), Request("train", "gpu", "guests", 4)], "")
    check_requests([Request("clean", "cpu,long"), Request("train", "cpu,gpu", gpus=1)], "")
    check_requests([Request("clean"), Request("train", gpus=1)], "")


def test_an_unknown_partition_is_told(answers):
    answers(sinfo=SINFO, sacctmgr=NO_ACCOUNTS)
    assert told(Request("clean", "cpu"), Request("train", "gpux")) == (
        "profiles/mine/config.yaml: slurm_partition of train: found 'gpux', which SLURM does not "
        "have, expected one of cpu, gpu, long"
    )
    assert "found 'night'" in told(Request("clean", "cpu,night"))


def test_a_partition_without_gpus_is_told(answers):
    answers(sinfo=SINFO, sacctmgr=NO_ACCOUNTS)
    assert told(Request("train", "cpu", gpus=1)) == (
        "profiles/mine/config.yaml: slurm_partition of train: found 'cpu' without GPUs, for which "
        "training.device asks, expected one of gpu"
    )
    answers(sinfo="echo 'cpu (null)'")
    assert told(Request("train", "cpu", gpus=1)).endswith("asks, expected device: cpu")


def test_an_account_of_others_is_told(answers):
    answers(sinfo=SINFO, sacctmgr="printf 'astro\\nguests\\n'")
    text = told(Request("clean", "cpu", "myaccount"))
    assert "slurm_account of clean: found 'myaccount', which SLURM does not give to" in text
    assert text.endswith("expected one of astro, guests")


@pytest.mark.parametrize("sacctmgr", [NO_ACCOUNTS, ":"])
def test_where_slurm_names_no_accounts_any_is_good(answers, sacctmgr):
    answers(sinfo=SINFO, sacctmgr=sacctmgr, sshare=":")
    check_requests([Request("clean", "cpu", "myaccount")], "")


@pytest.mark.parametrize("sacctmgr", [NO_ACCOUNTS, ":"])
def test_sshare_is_asked_where_sacctmgr_does_not_know(answers, sacctmgr):
    answers(sinfo=SINFO, sacctmgr=sacctmgr, sshare="echo '  Astro'")
    check_requests([Request("clean", "cpu", "astro")], "")
    assert told(Request("clean", "cpu", "myaccount")).endswith("expected one of astro")


def test_an_account_where_slurm_keeps_none_is_told(answers):
    answers(sinfo=SINFO, sacctmgr=NO_ACCOUNTS, sshare=NO_ACCOUNTS)
    assert told(Request("clean", "cpu", "myaccount")) == (
        "profiles/mine/config.yaml: slurm_account of clean: found 'myaccount', while SLURM keeps "
        "no accounts, expected none: delete its line"
    )
    check_requests([Request("clean", "cpu")], "")


def test_a_machine_without_slurm_is_told(answers):
    answers()
    assert told(Request("clean", "cpu")) == (
        "executor slurm: SLURM's commands are not found on this machine (sinfo), expected a login "
        "node of the cluster, or another --workflow-profile"
    )


def test_a_slurm_that_does_not_answer_is_told(answers, monkeypatch):
    answers(sinfo="echo 'sinfo: error: Unable to contact slurm controller' >&2; exit 1")
    assert "SLURM does not answer sinfo: sinfo: error: Unable" in told(Request("clean", "cpu"))
    monkeypatch.setattr("mmae.workflow.cluster.PATIENCE", 0.2)
    answers(sinfo="exec /bin/sleep 60")
    assert "SLURM does not answer sinfo within 0.2 seconds" in told(Request("clean", "cpu"))


@pytest.mark.parametrize(
    ("arguments", "profile"),
    [
        ([], "profiles/default"),
        (["all", "--workflow-profile", "profiles/mine"], "profiles/mine"),
        (["--workflow-profile=profiles/mine", "-n"], "profiles/mine"),
        (["--profile", "site"], "site"),
        (["--workflow-profile=mine", "--profile=site"], "mine"),
        (["--set-resources", "train:slurm_partition=x"], "profiles/default, or the command line"),
    ],
)
def test_the_profile_is_named(arguments, profile):
    assert profile_of(arguments) == profile
