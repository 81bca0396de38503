"""The training loop on a few made-up galaxies."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch

from galaxies import SMALL_PAPER, made_up_galaxies, modalities_of, training_with
from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.models import build_model
from mmae.models.batch import generator_of, load_batch
from mmae.settings import Training
from mmae.training.batches import batches_of
from mmae.training.fit import (
    DROPOUT,
    MASKS,
    ORDER,
    fit,
    make_fabric,
    make_optimizer,
    make_schedule,
    validate,
)

SPLIT = {"train": np.arange(48), "validation": np.arange(48, 64)}


@pytest.fixture(scope="module")
def arrays() -> TrainingArrays:
    return made_up_galaxies()


def model_of(seed: int = 0, **keys) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_model(SMALL_PAPER | keys, modalities_of())


def with_values(arrays: TrainingArrays, **values: np.ndarray) -> TrainingArrays:
    return arrays._replace(values=arrays.values | values)


def validated(model: torch.nn.Module, arrays: TrainingArrays, training: Training) -> dict:
    fabric = make_fabric(training)
    return validate(model, arrays, SPLIT["validation"], 0.25, 0, training, fabric)


def test_it_learns(arrays):
    training = training_with(epochs=30, patience=30, learning_rate=3.0e-3)
    fitted = fit(model_of(), arrays, SPLIT, 0.25, 0, training)
    history = fitted.history
    assert list(history["epoch"]) == [*range(1, 31)]
    assert history["train_redshift"].iloc[-1] < 0.1 * history["train_redshift"].iloc[0]
    assert history["validation_sigma_nmad"].iloc[-1] < 0.05


def test_two_epochs_are_those_of_a_plain_loop(arrays):
    """Every step by hand: zeroed gradients, clipping, dropout on, losses weighted, AdamW."""
    training = training_with(epochs=2, learning_rate=1e-3, schedule="constant", gradient_clip=0.1)
    fitted = fit(model_of(dropout=0.2), arrays, SPLIT, 0.5, 3, training)
    model = model_of(dropout=0.2).train()
    slow = [p for name, p in model.named_parameters() if "position" in name or "query" in name]
    rest = [p for name, p in model.named_parameters() if "position" not in name]
    rest = [p for p in rest if not any(p is other for other in slow)]
    optimizer = torch.optim.AdamW(
        [{"params": slow, "lr": 1e-4, "weight_decay": 0.0}, {"params": rest}],
        lr=1e-3,
        weight_decay=0.01,
        fused=True,
    )
    states, steps = [], itertools.count()
    for epoch in (1, 2):
        model.train()
        for rows in batches_of(SPLIT["train"], 8, generator_of(3, ORDER, epoch)):
            step = next(steps)
            masks = generator_of(3, MASKS, step)
            torch.manual_seed(generator_of(3, DROPOUT, step, 0).initial_seed())
            batch = load_batch(arrays, rows, model.modalities, "cpu")
            hidden = model.draw_masks(len(rows), 0.5, masks, training=True)
            parts = model.losses(batch, hidden, masks).parts
            losses = {name: part.value for name, part in parts.items()}
            loss = 0.1 * losses["image"] + 0.01 * losses["spectrum"] + losses["redshift"]
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            assert norm > 0.1, "or clipping is not tested"
            optimizer.step()
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    best = states[fitted.history["validation_total"].idxmin()]
    for name, value in fitted.best.items():
        # biases of keys have no effect: AdamW makes steps of their rounding errors
        if not name.endswith("in_proj_bias"):
            assert torch.allclose(value, best[name], rtol=1e-4, atol=1e-6), name


def test_the_best_epoch_is_that_of_the_total_loss(arrays):
    """With heavy image loss and little data the redshift loss is lowest in another epoch."""
    training = training_with(epochs=5, learning_rate=1.0e-2, schedule="constant")
    heavy = {"weights": SMALL_PAPER["weights"] | {"image": 100.0}}
    fitted = fit(model_of(**heavy), arrays, SPLIT, 0.25, 0, training)
    history = fitted.history
    assert history["validation_total"].idxmin() != history["validation_redshift"].idxmin()
    total = 100 * history["validation_image"] + history["validation_redshift"]
    assert np.allclose(total, history["validation_total"], rtol=1e-5)
    model = model_of(**heavy)
    model.load_state_dict(fitted.best)
    values = validated(model, arrays, training)
    assert values["validation_total"] == pytest.approx(total.min(), rel=1e-5)


def test_validation_never_sees_a_spectrum(arrays):
    model = model_of()
    other = with_values(arrays, spectrum=arrays.values["spectrum"] + 1)
    seen, hidden = (validated(model, galaxies, training_with()) for galaxies in (arrays, other))
    assert seen == hidden


def test_the_best_epoch_is_kept(arrays):
    bumpy = training_with(epochs=8, learning_rate=3.0e-2, schedule="constant")
    fitted = fit(model_of(), arrays, SPLIT, 0.25, 0, bumpy)
    best = fitted.history["validation_total"].idxmin()
    assert best < len(fitted.history) - 1, "a later epoch must be worse, or this test shows nothing"
    model = model_of()
    model.load_state_dict(fitted.best)
    values = validated(model, arrays, training_with())
    expected = fitted.history["validation_total"][best]
    assert values["validation_total"] == pytest.approx(expected, rel=1e-6)


def test_the_same_seed_gives_the_same_history(arrays):
    histories = [
        fit(model_of(seed), arrays, SPLIT, 0.5, seed, training_with(epochs=2)).history
        for seed in (0, 0, 1)
    ]
    pd.testing.assert_frame_equal(histories[0], histories[1], check_exact=True)
    assert not histories[0].equals(histories[2])


@pytest.mark.parametrize(("precision", "lower"), [("32-true", False), ("bf16-mixed", True)])
def test_training_is_in_the_precision_of_the_config(arrays, precision, lower):
    model, seen = model_of(), []

    def note(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        seen.append((module.training, output.dtype))

    model.projections["image"].register_forward_hook(note)
    fit(model, arrays, SPLIT, 0.5, 0, training_with(epochs=1, precision=precision))
    expected = torch.bfloat16 if lower else torch.float32
    assert set(seen) == {(True, expected), (False, expected)}


def test_it_stops_early(arrays):
    training = training_with(epochs=50, patience=2, learning_rate=1.0, gradient_clip=1000.0)
    history = fit(model_of(), arrays, SPLIT, 0.5, 0, training).history
    best = history["validation_total"].idxmin()
    assert len(history) == best + 1 + 2 < 50


def test_optimiser_groups_are_the_papers():
    model = model_of(position_rate=0.1)
    slow, rest = make_optimizer(model, training_with(learning_rate=1.0e-4)).param_groups
    assert (slow["lr"], slow["weight_decay"]) == (pytest.approx(1e-5), 0.0)
    assert (rest["lr"], rest["weight_decay"]) == (1e-4, 0.01)
    assert {id(p) for p in slow["params"]} == {id(p) for p in model.slow_parameters()}
    assert len(slow["params"]) + len(rest["params"]) == len([*model.parameters()])


@pytest.mark.parametrize(("schedule", "varies"), [("constant", False), ("one-cycle", True)])
def test_schedules(schedule, varies):
    training = training_with(schedule=schedule, epochs=2, learning_rate=1.0e-3)
    optimizer = make_optimizer(model_of(position_rate=0.1), training)
    steps = make_schedule(optimizer, training, n_steps=10)
    rates = []
    for _ in range(20):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        steps.step()
    slow, rest = np.array(rates).T
    assert np.allclose(slow, 0.1 * rest)
    assert rest.max() == pytest.approx(1e-3)
    assert (rest.min() < 1e-4) == varies


def test_batches_hold_every_row_once():
    rows = np.arange(100, 123)
    batches = [*batches_of(rows, 8, torch.Generator().manual_seed(0))]
    assert [len(batch) for batch in batches] == [8, 8, 7]
    assert sorted(np.concatenate(batches)) == rows.tolist()
    assert all((np.diff(batch) > 0).all() for batch in batches)
    assert np.concatenate([*batches_of(rows, 8)]).tolist() == rows.tolist()
    assert not np.array_equal(batches[0], rows[:8])


def test_a_loss_that_is_not_finite_is_told(arrays):
    broken = with_values(arrays, image=np.full_like(arrays.values["image"], 1e38))
    with pytest.raises(InputError, match=r"a loss in epoch 1 that is not finite, .*learning_rate"):
        fit(model_of(), broken, SPLIT, 0.5, 0, training_with(epochs=1))


def test_a_validation_loss_that_is_not_finite_is_told(arrays):
    images = arrays.values["image"].copy()
    images[SPLIT["validation"]] = 1e38
    broken = with_values(arrays, image=images)
    with pytest.raises(InputError, match="a validation loss that is not finite"):
        fit(model_of(), broken, SPLIT, 0.5, 0, training_with(epochs=1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told(arrays):
    with pytest.raises(InputError, match=r"training\.device: found no CUDA device"):
        fit(model_of(), arrays, SPLIT, 0.5, 0, training_with(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_trains_on_a_gpu(arrays):
    fitted = fit(model_of(), arrays, SPLIT, 0.25, 0, training_with(epochs=2, device="cuda"))
    assert np.isfinite(fitted.history["validation_total"]).all()


def test_the_command_writes_all_that_rebuilds_the_model(trained_model):
    description = json.loads((trained_model / "model.json").read_text())
    assert description["model"]["dim"] == 16
    assert (description["mask"], description["seed"]) == (0.75, 0)
    assert description["training"]["epochs"] == 2
    history = pd.read_csv(trained_model / "history.csv")
    assert list(history["epoch"]) == [1, 2]
    assert (trained_model / "weights.safetensors").is_file()
    assert {path.name for path in trained_model.iterdir()} == {
        *("weights.safetensors", "model.json", "history.csv")
    }
    cost = json.loads((trained_model.parent / "cost.json").read_text())
    assert cost["galaxies_seen"] == 2 * 105, "two epochs of the training galaxies"
    assert cost["parameters"] > 1000
    assert set(cost) == {"parameters", "galaxies_seen", "training_seconds", "peak_memory_mb"}
