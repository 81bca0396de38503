"""Speed of a training step and of loading, against the authors' step and loader.

python benchmarks/training.py DATASET ARRAYS [batch size] [repeats]

DATASET is a GalaxiesML-Spectra file, ARRAYS the folder of training arrays made from it, such as
results/demo/dataset/galaxiesml_spectra.hdf5 and results/demo/dataset/arrays. All variants take
steps in turn, so that a slow moment of the machine hits all; medians are compared. Prints Markdown
and writes results/bench/training.json.
"""

import itertools
import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from reference import ReferenceStep, reference_loader

from mmae.config import read_config
from mmae.dataset.arrays import TrainingArrays, open_arrays
from mmae.files.write import write_json
from mmae.modalities import from_plain
from mmae.models import build_model
from mmae.models.batch import generator_of, load_batch
from mmae.settings import Training
from mmae.settings.training import training_of
from mmae.training.batches import batches_of
from mmae.training.fit import make_fabric, make_optimizer

RESULT = Path("results/bench/training.json")
MASK_RATIO = 0.75
READ = ("image", "spectrum")
"""What the paper's model reads."""


@dataclass
class Variant:
    """One way to train the paper's model."""

    name: str
    masking: str
    precision: str
    compiled: bool = False


VARIANTS = (
    Variant("zeroed tokens, fp32", "zero", "32-true"),
    Variant("zeroed tokens, bf16", "zero", "bf16-mixed"),
    Variant("zeroed tokens, bf16, compiled", "zero", "bf16-mixed", compiled=True),
    Variant("dropped tokens, fp32", "drop", "32-true"),
    Variant("dropped tokens, bf16", "drop", "bf16-mixed"),
)


def step_of(variant: Variant, config: dict, arrays: TrainingArrays) -> Callable[[np.ndarray], None]:
    """A function that loads the galaxies at some rows and takes one step."""
    entry = config["models"]["mmae"] | {"masking": variant.masking}
    base = Training(**config["training"] | {"device": "cpu", "threads": torch.get_num_threads()})
    settings = training_of(base, {"precision": variant.precision})
    torch.manual_seed(0)
    model = build_model(entry, from_plain(arrays.modalities, "benchmark"))
    if variant.compiled:
        model.compile()
    fabric = make_fabric(settings)
    network, optimizer = fabric.setup(model, make_optimizer(model, settings))
    network.mark_forward_method("losses")
    network.train()
    numbers = itertools.count()

    def step(rows: np.ndarray) -> None:
        batch = load_batch(arrays, rows, model.modalities, fabric.device)
        drawn = generator_of(0, next(numbers))
        masks = model.draw_masks(len(rows), MASK_RATIO, drawn, training=True)
        with fabric.autocast():
            parts = network.losses(batch, masks, drawn).parts
            total = model.total({name: part.value for name, part in parts.items()})
        optimizer.zero_grad()
        fabric.backward(total)
        fabric.clip_gradients(network, optimizer, max_norm=1.0)
        optimizer.step()

    return step


def read_through(batches: Iterable) -> None:
    """Ask for all batches and do nothing with them."""
    for _ in batches:
        pass


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_steps(arrays: TrainingArrays, batch_size: int, repeats: int) -> dict[str, float]:
    """Median seconds of a step, by name, `reference` first."""
    config = read_config("config/config.yaml", "config/paper.yaml")
    reference = ReferenceStep()
    generator = torch.Generator().manual_seed(0)
    rows = list(batches_of(np.arange(len(arrays.redshift)), batch_size, generator))
    steps: dict[str, Callable[[np.ndarray], object]] = {
        "reference": lambda rows: reference(
            *(torch.from_numpy(np.nan_to_num(arrays.values[name][rows])) for name in READ),
            torch.from_numpy(arrays.redshift[rows]),
        )
    }
    for variant in VARIANTS:
        steps[variant.name] = step_of(variant, config, arrays)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for k in range(repeats + 1):
        part = rows[k % (len(rows) - 1)]
        for name, step in steps.items():
            spent = seconds(partial(step, part))
            # the first one compiles and allocates
            if k:
                times[name].append(spent)
    return {name: float(np.median(values)) for name, values in times.items()}


def measure_loaders(
    dataset: Path, arrays: TrainingArrays, batch_size: int, repeats: int
) -> dict[str, float]:
    """Median galaxies a second of the authors' loader and of ours."""
    n = min(len(arrays.redshift), 2048)
    rows = np.arange(n)
    loader = reference_loader(dataset, rows, batch_size)
    rates: dict[str, list[float]] = {"reference": [], "ours": []}
    for k in range(repeats):
        order = torch.Generator().manual_seed(k)
        parts = batches_of(rows, batch_size, order)
        rates["reference"].append(n / seconds(partial(read_through, loader)))
        batches = (load_batch(arrays, part, READ, "cpu") for part in parts)
        rates["ours"].append(n / seconds(partial(read_through, batches)))
    return {name: float(np.median(values)) for name, values in rates.items()}


def main() -> None:
    """Print and write everything."""
    dataset, arrays = Path(sys.argv[1]), open_arrays(Path(sys.argv[2]))
    batch_size = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    repeats = int(sys.argv[4]) if len(sys.argv) > 4 else 7
    rates = measure_loaders(dataset, arrays, batch_size, repeats)
    steps = measure_steps(arrays, batch_size, repeats)
    reference = steps["reference"]
    print("| step | ms a galaxy | times the reference's speed |")
    print("|---|---|---|")
    for name, spent in steps.items():
        print(f"| {name} | {1e3 * spent / batch_size:.2f} | {reference / spent:.2f} |")
    print("\n| loader | galaxies/s | ratio |")
    print("|---|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} | {rate / rates['reference']:.1f} |")
    fastest = batch_size / min(steps.values())
    result = {
        "ratio_same_math": reference / steps["zeroed tokens, bf16"],
        "ratio_drop": reference / steps["dropped tokens, bf16"],
        "ratio_loader": rates["ours"] / rates["reference"],
        "ratios": {name: reference / spent for name, spent in steps.items()},
        "seconds_a_step": steps,
        "galaxies_per_second_loaded": rates,
        "share_waiting_for_data": fastest / rates["ours"],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "batch_size": batch_size,
        "threads": torch.get_num_threads(),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULT, result)
    print(f"\nWaiting for data, at the fastest step: {result['share_waiting_for_data']:.2%}")
    print(f"Written: {RESULT}")


if __name__ == "__main__":
    main()
