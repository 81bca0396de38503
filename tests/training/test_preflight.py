"""What a training says before it begins."""

import pytest
import torch
import yaml

from galaxies import modalities_of
from helpers import PROJECT, SmallSurvey, assert_one_sentence, run_mmae
from mmae.errors import InputError
from mmae.models import build_model
from mmae.training.preflight import check_batch, check_compiler

MODELS = yaml.safe_load((PROJECT / "config/config.yaml").read_text())["models"]


def train(survey: SmallSurvey, folder, *options: object, **more):
    """Train a model by the command."""
    words = ["--arrays", survey.arrays, "--split", survey.split, "--mask", "0.75", "--seed", "0"]
    words += ["--output", folder / "model", "--cost", folder / "cost.json", *options]
    return run_mmae("train", *words, **more)


@pytest.mark.parametrize(
    ("model", "least"), [("cnn", 2), ("bcnn-mag", 2), ("astroclip", 2), ("mmae", 1)]
)
def test_models_that_compare_galaxies_want_two(model, least):
    network = build_model(MODELS[model], modalities_of(64, 259))
    assert network.smallest_batch == least
    check_batch(network, least)
    if least > 1:
        with pytest.raises(InputError, match="found 1 galaxy a step, expected at least 2"):
            check_batch(network, 1)


def test_a_network_on_tokens_trains_on_one_at_a_time(small_survey, tmp_path, toy_config):
    one = '{"training": {"batch_size": 1, "epochs": 1}}'
    result = train(small_survey, tmp_path, "--model", "mmae", *toy_config, "--config", one)
    assert result.returncode == 0, result.stderr


def test_no_compiler_is_told_before_the_training(small_survey, tmp_path, toy_config):
    environment = {"PATH": "/nowhere", "HOME": str(tmp_path), "CXX": "none", "CC": "none"}
    compiled = '{"training": {"compile": true}}'
    options = ("--model", "mmae", *toy_config, "--config", compiled)
    result = train(small_survey, tmp_path, *options, env=environment)
    assert_one_sentence(result, "training.compile", "C++ compiler", "compile: false")
    assert result.stderr.count("\n") == 1, "not a word of an epoch"
    assert not (tmp_path / "model").exists()


def test_the_trial_leaves_the_random_numbers_alone():
    from torch._inductor import config

    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    none = config.patch({"cpp.cxx": (None, "none")})
    with none, pytest.raises(InputError, match=r"training\.compile"):
        check_compiler(torch.device("cpu"))
    assert torch.equal(torch.rand(3), expected)
