"""Ask networks and controls for the redshifts of real spectra: docs/sky.md.

PYTHONPATH=benchmarks python -m sky [--results DIR] [--write FILE]

Prints the tables; with --write it also replaces those in a file (docs/sky.md: make sky) and draws
the figures beside it. Models are those of config/sky.yaml; each half of the real spectra is tested
by a network that was tuned on the other.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmae.config import read_section
from mmae.dataset.arrays import TrainingArrays, open_arrays
from mmae.dataset.split import read_split
from mmae.models.base import GalaxyModel
from mmae.models.weights import load_model
from mmae.settings import Training
from mmae.training.mixed import mixed
from mmae.training.run import train_model
from sky import figures
from sky.answers import Answer, Asker, cells, coverage, errors, of_fit, of_network
from sky.basis import fit as fit_basis
from sky.basis import learn
from sky.sets import FILES, SKY, TUNED, Spectra, read
from sky.templates import fit as fit_templates
from sky.templates import sets as sets_of_templates

START, END = "<!-- sky -->\n", "<!-- end of sky -->\n"
SHARES = (0.0, 0.75)
TUNING = {"epochs": 5, "learning_rate": 5e-4}
PAPER, OURS, AFTER = "the paper's", "rest frame", "rest frame, tuned"
BASIS, TEMPLATES = "linear basis", "templates"


def tuned(
    model: GalaxyModel,
    told: dict[str, Any],
    arrays: TrainingArrays,
    split: dict[str, np.ndarray],
    real: list[Spectra],
) -> GalaxyModel:
    """The network after some steps on real spectra, simulated ones among them."""
    spectrum = model.modalities["spectrum"]
    values = np.concatenate([spectrum.pooled(one.flux, one.ivar) for one in real])
    redshift = np.concatenate([one.redshift for one in real])
    both, rows = mixed(arrays, split, spectrum, values, redshift, 0)
    settings = read_section(Training, told["training"] | TUNING, "model.json", "training")
    entry, start = told["model"], model.state_dict()
    trained = train_model(
        *(entry, told["name"], both, rows, told["mask"], 0, settings, "real"), start=start
    )
    return trained.model.eval()


def by_halves(pair: list[Asker]) -> Asker:
    """An asker that tests each half by the one that was tuned on the other."""

    def ask(spectra: Spectra, share: float) -> Answer:
        both = [asker(spectra, share) for asker in pair]
        return Answer(
            *(
                None if a is None else np.where(spectra.half.reshape(-1, *[1] * (a.ndim - 1)), a, b)
                for a, b in zip(both[0][:3], both[1][:3], strict=True)
            ),
            both[0].seconds,
        )

    return ask


def tables(answers: dict, sets: dict[str, Spectra]) -> list[str]:
    """Lines of markdown: one table a hidden share, and one of intervals, sky and time."""
    lines = []
    for share in SHARES:
        lines += [
            "",
            f"**{'Nothing' if not share else f'{share:.0%} of the patches'} hidden**",
            "",
            "| | sigma_NMAD | over 0.15 | over 0.01 | within 0.002 |",
            "|---|---|---|---|---|",
        ]
        for name, spectra in sets.items():
            if name == SKY:
                continue
            lines.append(f"| *{name}, {FILES[name][1]}, {len(spectra.flux)}* | | | | |")
            for who in answers:
                dz = errors(answers[who][name, share], spectra)
                lines.append(f"| {who} | {' | '.join(cells(dz))} |")
    lines += [
        "",
        "| coverage of intervals of 68%, 95% | " + " | ".join(name for name in sets) + " |",
        "|---|" + "---|" * len(sets),
    ]
    for who in (OURS, AFTER):
        for share in SHARES:
            row = [
                "-" if name == SKY else "{:.2f}, {:.2f}".format(
                    *coverage(answers[who][name, share], spectra)
                )
                for name, spectra in sets.items()
            ]  # fmt: skip
            lines.append(f"| {who}, {share:.0%} hidden | {' | '.join(row)} |")
    return lines


def accepted(answers: dict, sets: dict[str, Spectra], limits: dict[str, float]) -> list[str]:
    """Lines of markdown: who claims a redshift, how pure that is, and how long it took."""
    names = [name for name in sets if name != SKY]
    lines = [
        "",
        "| claims a redshift: share, of these within 0.01 | sky fibres | "
        + " | ".join(names)
        + " | core-seconds |",
        "|---|" + "---|" * (len(names) + 2),
    ]
    for who in answers:
        if answers[who][SKY, 0.0].delta_chi2 is None:
            row = ["all"] * (len(names) + 1)
        else:
            row = [f"{np.mean(answers[who][SKY, 0.0].delta_chi2 > limits[who]):.3f}"]
            for name in names:
                answer = answers[who][name, 0.0]
                claimed = answer.delta_chi2 > limits[who]
                right = np.abs(errors(answer, sets[name])[claimed]) < 0.01
                row.append(f"{claimed.mean():.2f}, {right.mean():.2f}" if len(right) else "0")
        sizes = [len(sets[name].flux) for name in names]
        each = [answers[who][name, 0.0].seconds for name in names]
        seconds = np.average(each, weights=sizes)
        lines.append(f"| {who} | {' | '.join(row)} | {seconds:.3f} |")
    return lines


def main() -> None:
    """Print the tables, and write them and the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/sky"))
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    sets = {name: read(name) for name in FILES}
    folder = given.results / "models"
    arrays = open_arrays(given.results / "dataset" / "arrays")
    split = read_split(given.results / "dataset" / "split.npz", arrays.targetid)
    paper, _ = load_model(folder / "paper/mask0.75/seed0")
    ours, told = load_model(folder / "sky/mask0.75/seed0")
    pair = [
        tuned(ours, told, arrays, split, [s.rows(s.half == k) for s in (sets[n] for n in TUNED)])
        for k in (0, 1)
    ]
    decoder = ours.decoders["spectrum"]
    rows = np.sort(split["train"])
    parts = (arrays.values["spectrum"], arrays.ivar["spectrum"], arrays.redshift)
    spectra = (torch.from_numpy(np.nan_to_num(part[rows])) for part in parts)
    templates = sets_of_templates(decoder)
    basis = learn(decoder, templates, *spectra)
    askers = {
        PAPER: of_network(paper),
        OURS: of_network(ours),
        AFTER: by_halves([of_network(one) for one in pair]),
        BASIS: of_fit(lambda *spectra: fit_basis(decoder, basis, *spectra)),
        TEMPLATES: of_fit(lambda *spectra: fit_templates(decoder, templates, *spectra)),
    }
    answers = {
        who: {(name, share): ask(sets[name], share) for name in sets for share in SHARES}
        for who, ask in askers.items()
    }
    limits = dict.fromkeys(askers, ours.settings.min_delta_chi2)
    for who in (BASIS, TEMPLATES):
        limits[who] = np.percentile(answers[who][SKY, 0.0].delta_chi2, 98, method="higher")
    lines = [*tables(answers, sets), *accepted(answers, sets, limits), ""]
    print(*lines, sep="\n")
    if given.write:
        before, rest = given.write.read_text(encoding="utf-8").split(START)
        text = before + START + "\n".join(lines) + "\n" + END + rest.split(END)[1]
        given.write.write_text(text, encoding="utf-8")
        _draw(given.write.with_suffix(""), ours, answers[OURS], sets)


def _draw(folder: Path, model: GalaxyModel, answers: dict, sets: dict[str, Spectra]) -> None:
    """Write the figures: examples that went well and badly, and all redshifts."""
    folder.mkdir(exist_ok=True)
    good, bad = [], []
    for name, spectra in sets.items():
        if name == SKY:
            continue
        for share in SHARES:
            dz = np.abs(errors(answers[name, share], spectra))
            wrong, right = np.flatnonzero(dz > 0.15), np.flatnonzero(dz < 0.002)
            hidden = f", {share:.0%} hidden" if share else ""
            for found, shown in ((right, good), (wrong, bad)):
                if len(found):
                    row = found[len(found) // 2]
                    z_spec, z_pred = spectra.redshift[row], answers[name, share].z_pred[row]
                    says = f"z = {z_spec:.4f}, found {z_pred:.4f}"
                    shown.append((f"{name}{hidden}: {says}", spectra, row, share))
    wave = model.modalities["spectrum"].wave
    for name, chosen in (("right", good), ("wrong", bad)):
        figures.examples(model, chosen, wave).savefig(folder / f"{name}.png", dpi=110)
    shown = {name: (answers[name, 0.0], spectra) for name, spectra in sets.items()}
    figures.against_truth(shown).savefig(folder / "redshifts.png", dpi=110)


if __name__ == "__main__":
    main()
