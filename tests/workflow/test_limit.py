"""The model that is given the truth: where the survey is simulated, and nowhere else."""

import copy

import pytest

from helpers import PROJECT
from mmae.config import read_config, read_section
from mmae.settings import Settings, can_do
from mmae.workflow import runs
from mmae.workflow.limit import with_limit


@pytest.fixture(scope="module")
def entries() -> dict:
    return read_config(str(PROJECT / "config/limit.yaml"))


def test_it_is_compared_where_the_survey_is_simulated(config, entries):
    before = copy.deepcopy(config)
    settings = read_section(Settings, with_limit(config, entries), "config")
    assert config == before
    assert "limit" in {run.model for run in runs.baselines(settings)}
    assert settings.modalities["truth"].file == "results/demo/catalog/noiseless.hdf5"
    readers = [name for name, model in settings.models.items() if "truth" in can_do(model).reads]
    assert readers == ["limit"]
    assert "truth" not in {name for view in settings.views.values() for name in view.hidden}


def test_it_is_added_once(config, entries):
    once = with_limit(config, entries)
    assert with_limit(once, entries) == once


def test_an_entry_of_ones_own_stays(config, entries):
    own = config["models"]["gbdt"] | {"photometry": "truth", "trees": 3}
    config = config | {"models": config["models"] | {"limit": own}}
    assert with_limit(config, entries)["models"]["limit"]["trees"] == 3


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("survey", "source", "released"), ("survey", "source", "rebuild"), ("grid", "limit", False)],
)
def test_nothing_is_added_otherwise(config, entries, section, key, value):
    config = config | {section: config[section] | {key: value}}
    assert with_limit(config, entries) == config
