"""The page that explains an archive to who finds it."""

from mmae.archive.contents import PAPER_FILES, paper_files
from mmae.archive.manifest import MANIFEST
from mmae.settings import Settings

_PAGE = """\
# {title}: results on the {name} survey

{galaxies}

What a run of {title} {version} made of them: trained models, predictions, metrics, figures and
tables of {paper}.
Images and spectra are not in here, but for the example galaxies of Figures 1 and 2.

| file | content |
|---|---|
| `paper/` | figures and tables, to look at |
| `models/<model>/mask<ratio>/seed<n>/` | weights (safetensors), their description, loss by epoch |
| `evaluation/<model>/mask<ratio>/seed<n>/<view>/` | predictions of the test galaxies, metrics |
| `dataset/` | what cleaning removed, the split by TARGETID, counts |
| `config.yaml`, `versions.json` | the whole config; versions of Python, packages and code |
| `{manifest}` | checksums: `sha256sum --check --quiet {manifest}` |
| `ro-crate-metadata.json` | all of this for machines (RO-Crate) |

`mask0.75` is the fraction hidden in training; `image0.25-spectrum1.00` what was hidden in the test.

## What came out

{figures}## Every figure and table again, in about a minute

No dataset, no training, no GPU. In a clone of {title}, with its environment:

```sh
snakemake --cores 2 --config from_archive=PATH    # this folder, or the .zip it came in
```

All files are verified first. Figures, tables and executed notebooks are then in
`results/{name}/paper/`.

## Licence

{licence}. If you use this, please cite {paper}.
"""


def readme_text(settings: Settings, about: dict) -> str:
    """README.md of an archive.

    Parameters
    ----------
    settings : Settings
        Of the run.
    about : dict
        CITATION.cff: title, version, license, preferred-citation.
    """
    simulated = settings.survey.source == "simulate"
    paper = about["preferred-citation"]
    return _PAGE.format(
        title=about["title"],
        version=about["version"],
        licence=about["license"],
        paper=f'"{paper["title"].strip()}" ({paper["identifiers"][0]["value"]})',
        name=settings.survey.name,
        galaxies=(
            "**Simulated** galaxies: no number in here is a measurement of the sky."
            if simulated
            else "Real galaxies of HSC and DESI."
        ),
        manifest=MANIFEST,
        figures="".join(_shown(name) for name in paper_files(settings)),
    )


def _shown(name: str) -> str:
    """A figure on the page, or a link to a table."""
    says, stem = PAPER_FILES[name], f"paper/{name.rpartition('.')[0]}"
    if name.startswith("figures/"):
        return f"### {says}\n\n![{says}]({stem}.png)\n\n"
    return f"{says}: [{stem}.md]({stem}.md).\n\n"
