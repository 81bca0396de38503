"""The model card of an exported model: what it is, how good, and what it is not for."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml
from tabulate import tabulate

from mmae.errors import InputError
from mmae.files.read import read_json
from mmae.modalities.base import Modality
from mmae.settings import Settings

RANGES = {"all": "all", "low_redshift": "low"}
SHOWN = {"sigma_nmad": "sigma_NMAD", "bias": "bias", "outlier_fraction": "outliers"}
WORDS = {
    "image": "flux, zero point {zero_point_mag} AB mag, bands {bands}, {pixel_scale_arcsec} arcsec"
    " a pixel, the galaxy in the middle",
    "spectrum": "normalised flux, {pool} pixels averaged into one ({normalisation}); wavelengths"
    " are in config.json",
    "vector": "numbers as in config.json",
}
"""By the kind of a modality, with its geometry filled in."""


def card_text(
    description: Mapping[str, Any],
    inputs: Mapping[str, Modality],
    outputs: Iterable[str],
    n_parameters: int,
    reports: Sequence[Mapping[str, Any]],
    settings: Settings,
    about: Mapping[str, Any],
) -> str:
    """README.md of an exported model, with the metadata that the Hugging Face Hub reads.

    Parameters
    ----------
    description : mapping
        Of the model, as `mmae.models.weights.load_model` gives it.
    inputs : mapping of str to Modality
        What the program is shown.
    outputs : iterable of str
        What it says.
    n_parameters : int
    reports : sequence of mapping
        As `own_report` gives them, each under one view.
    settings : Settings
        Of the run.
    about : mapping
        CITATION.cff.
    """
    paper = about["preferred-citation"]
    simulated = settings.survey.source == "simulate"
    people = [one["family-names"] for one in paper["authors"]]
    words = {
        **{"title": about["title"], "version": about["version"], "license": about["license"]},
        "paper": paper["title"].strip(),
        **{"paper_url": paper["url"], "identifier": paper["identifiers"][0]["value"]},
        **{"authors": f"{people[0]} et al.", "year": paper["year"], "bibtex": _bibtex(paper)},
        **{"name": description["name"], "kind": description["model"]["kind"]},
        **{
            "mask": description["mask"],
            "seed": description["seed"],
            "survey": settings.survey.name,
        },
        "inputs": list(inputs),
        "rows": [
            {"name": name, "shape": one.shape, "words": _words(one)} for name, one in inputs.items()
        ],
        "example": f"{next(iter(inputs))}=torch.zeros(1, "
        f"{', '.join(map(str, next(iter(inputs.values())).shape))})",
        "tokens": next(iter(inputs.values())).n_tokens,
        "hides": getattr(settings.models.get(description["name"]), "hides", False),
        "outputs": ", ".join(f"`{name}`" for name in outputs),
        "n_parameters": f"{n_parameters:,}",
        "simulated": simulated,
        "data": (
            "Simulated galaxies, grounded in real HSC photometry, filter curves and templates."
            if simulated
            else "Galaxies with an HSC PDR2 image and a DESI DR1 spectrum, cross-matched and "
            "cleaned as in section 3 of the paper."
        ),
        "split": settings.split,
        "metrics": _table(reports, settings),
    }
    metadata = {
        "license": str(about["license"]).lower(),
        "library_name": "pytorch",
        "tags": [
            *("astronomy", "galaxies", "redshift", "masked-autoencoder"),
            *("model_hub_mixin", "pytorch_model_hub_mixin"),
        ],
    }
    if reports:
        results = _results(reports, settings)
        metadata["model-index"] = [{"name": description["name"], "results": results}]
    template = files("mmae.export").joinpath("data", "card.md.jinja").read_text(encoding="utf-8")
    page = jinja2.Template(template, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{page.render(words)}"


def own_report(path: Path, description: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Content of a metrics.json of a model.

    Raises
    ------
    InputError
        If it is of another model or survey.
    """
    report = read_json(path)
    mask, seed = description.get("mask"), description.get("seed")
    expected = {"survey": settings.survey.name, "model": description["name"], "seed": str(seed)}
    expected["mask"] = f"{mask:.2f}"
    for key, value in expected.items():
        if report.get(key) != value:
            raise InputError(path, key=key, found=repr(report.get(key)), expected=repr(value))
    if "metrics" not in report or report.get("view") not in settings.views:
        raise InputError(path, found="no metrics of a view", expected="what `mmae score` writes")
    return report


def _table(reports: Iterable[Mapping[str, Any]], settings: Settings) -> str:
    """Metrics by view and redshift range."""
    rows = []
    for report in reports:
        metrics = report["metrics"]
        conformal = metrics.get("conformal", {})
        for key in RANGES:
            part = metrics[key]
            low, high = part["z_range"]
            row = {"shown": _label(report, settings), "z": f"{low:g} to {high:g}", "n": part["n"]}
            row |= {word: _with_interval(part, name) for name, word in SHOWN.items()}
            if conformal and key == "all":
                row |= {
                    f"within {p}%": f"{conformal[f'coverage_{p}']:.3f}" for p in ("68", "95")
                } | {"width": f"{conformal['width_68']:.4f}"}
            rows.append(row)
    return tabulate(rows, headers="keys", tablefmt="github", missingval="", disable_numparse=True)


def _results(reports: Iterable[Mapping[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """The same for the Hub, which keeps single numbers."""
    return [
        {
            "task": {"type": "tabular-regression", "name": "redshift"},
            "dataset": {
                "type": settings.survey.name,
                "name": f"{settings.survey.name}, {_label(report, settings)}",
            },
            "metrics": [
                {"type": name, "name": f"{word}, {key}", "value": report["metrics"][part][name]}
                for part, key in RANGES.items()
                for name, word in SHOWN.items()
                if name in report["metrics"][part]
            ],
        }
        for report in reports
    ]


def _label(report: Mapping[str, Any], settings: Settings) -> str:
    """What the model was shown, in words."""
    view = settings.views[report["view"]]
    hidden = [
        f"{name} {kinds['random']:.0%} hidden"
        for name, kinds in view.hidden.items()
        if kinds.get("random")
    ]
    return view.label or ", ".join(hidden) or report["view"]


def _with_interval(part: Mapping[str, Any], name: str) -> str:
    """A metric and its interval; empty of too few galaxies."""
    if name not in part:
        return ""
    low, high = part[f"{name}_interval"]
    return f"{part[name]:.4f} ({low:.4f} to {high:.4f})"


def _words(modality: Modality) -> str:
    """What the numbers of a modality are."""
    geometry = {
        name: " ".join(value) if name == "bands" else value
        for name, value in vars(modality.geometry).items()
    }
    return WORDS.get(modality.settings.kind, WORDS["vector"]).format(**geometry)


def _bibtex(paper: Mapping[str, Any]) -> str:
    """The paper for LaTeX."""
    people = " and ".join(f"{p['family-names']}, {p['given-names']}" for p in paper["authors"])
    return (
        f"@article{{{paper['authors'][0]['family-names'].lower()}{paper['year']},\n"
        f"  title = {{{paper['title'].strip()}}},\n  author = {{{people}}},\n"
        f"  year = {{{paper['year']}}},\n"
        f"  eprint = {{{paper['identifiers'][0]['value'].removeprefix('arXiv:')}}},\n"
        "  archivePrefix = {arXiv}\n}"
    )
