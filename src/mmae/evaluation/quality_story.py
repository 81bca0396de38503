"""What uncertainties, embeddings and lines say, in sentences made from their tables."""

from collections.abc import Mapping

import pandas as pd

from mmae.evaluation.story import listed, names
from mmae.metrics.intervals import of_calibrated


def uncertainty_story(table: pd.DataFrame) -> str:
    """Honesty of the uncertainties in plain words.

    Parameters
    ----------
    table : DataFrame
        As from `mmae.evaluation.calibration.calibration_table`.
    """
    items = []
    for _, row in table[table["crps"].notna()].iterrows():
        side = "too narrow" if row["coverage_68"] < 0.68 else "too wide"
        ends = row["coverage_68_low"], row["coverage_68_high"]
        honest = ends[0] <= 0.68 <= ends[1]
        verdict = "honest within the error" if honest else side
        items.append(
            f"{row['label']}: its own 68% intervals hold {row['coverage_68']:.1%} ({ends[0]:.1%} "
            f"to {ends[1]:.1%}) of {row['n']:.0f} galaxies, {verdict}; calibrated on "
            f"{row['n_calibration']:.0f} validation galaxies {row['conformal_coverage_68']:.1%}. "
            f"Without the least certain 10% its scatter is {row['sigma_nmad_certain']:.4f} instead "
            f"of {row['sigma_nmad']:.4f}."
        )
    coverage, first = table["conformal_coverage_68"], table.iloc[0]
    low, high = of_calibrated(0.68, int(first["n"]), int(first["n_calibration"]))
    off = table["label"][~coverage.between(low, high)]
    near = table["label"][table["width_verdict"] == "undecided"]
    items.append(
        f"After calibration the 68% intervals of the {len(table)} rows hold between "
        f"{coverage.min():.1%} and {coverage.max():.1%} of the galaxies; 95% of honest ones hold "
        f"{low:.1%} to {high:.1%}, and outside is {names(off)}. Validation galaxies also chose "
        f"learning rates, epochs and the number of trees."
    )
    items.append(
        f"The first width is that of {first['label']}: {first['conformal_width_68']:.4f} (1 + z) "
        f"from end to end, which hold {first['conformal_coverage_68']:.1%}; not decided against "
        f"it: {names(near)}."
    )
    return listed(items)


def retrieval_story(table: pd.DataFrame) -> str:
    """What images tell of their spectra in plain words.

    Parameters
    ----------
    table : DataFrame
        As from `mmae.evaluation.embeddings.retrieval_table`.
    """
    return listed(
        f"{row['model']}, {row['compared_by']}: of {row['n']:.0f} images {row['recall_at_1']:.1%} "
        f"find their own spectrum first and {row['recall_at_10']:.1%} "
        f"({row['recall_at_10_low']:.1%} to {row['recall_at_10_high']:.1%}) among the first ten "
        f"(by chance {row['chance_at_1']:.1%} and {row['chance_at_10']:.1%}); the median rank is "
        f"{row['median_rank']:.0f}."
        for _, row in table.iterrows()
    )


def seen_story(tables: Mapping[str, pd.DataFrame]) -> str:
    """What models see of one galaxy's lines in plain words.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As from `mmae.evaluation.lines.line_table`, by the label of the model.
    """
    items = []
    for label, table in tables.items():
        words = []
        for line, fits in table.groupby("line", sort=False):
            true, drawn = (fits[fits["spectrum"] == s].iloc[0] for s in ("true", "reconstructed"))
            if drawn["kind"] == "missed":
                words.append(f"{line} is not seen")
                continue
            ratios = f"{drawn['height'] / true['height']:.2f} of the true height"
            if drawn["kind"] != "unresolved" != true["kind"]:
                width = drawn["width_angstrom"] / true["width_angstrom"]
                ratios += f" and {width:.1f} times the width"
            off = drawn["centre_angstrom"] - true["centre_angstrom"]
            words.append(f"{line} is seen {off:+.0f} Å from its place, with {ratios}")
        items.append(f"{label}: {'; '.join(words) or 'no line is in range'}.")
    return listed(items)


LINE_WORDS = {
    "line found": "of {n} galaxies that have it, about {noise:.0f} of them by noise, found in "
    "{value:.0%} ({low:.0%} to {high:.0%})",
    "line right": "right in height and width in {value:.0%}",
    "line too wide": "too wide in {value:.0%}",
    "line missed": "missed in {value:.0%}",
    "line false": "drawn above the noise in {value:.0%} of {n} that do not have it",
    "line centre": "centre off by {value:+.0f} km/s (median of {n}), scatter {scatter:.0f}",
    "line height": "{value:.2f} of the true height (median of {n})",
    "line width": "{value:.2f} of the true width (median of {n})",
    "line unresolved": "the true width is not resolved in {value:.0%} of {n}",
}
"""Quantity -> what is said of it, in order."""


def found_story(tables: Mapping[str, pd.DataFrame], line: str = "H-alpha") -> str:
    """How often each model finds a line of those galaxies that have it, in one sentence.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As from `mmae.evaluation.reconstruction.reconstruction_table`, by the label of the model.
    line : str
    """
    words = []
    for label, table in tables.items():
        of_line = (table["quantity"] == "line found") & (table["line"] == line)
        known = table[of_line & (table["part"] == "all") & table["value"].notna()]
        words += [f"{label} in {row.value:.0%} of {row.n}" for row in known.itertuples()]
    return f"{line} is found by {', by '.join(words)}." if words else f"{line} was not measured."


def line_story(measured: pd.DataFrame) -> str:
    """Lines of reconstructed spectra in plain words.

    Parameters
    ----------
    measured : DataFrame
        As from `mmae.evaluation.reconstruction.reconstruction_table`.
    """
    whole = measured[measured["part"] == "all"].fillna({"line": ""})
    whole = whole.set_index(["quantity", "line"])
    told, items, chance = whole[whole["value"].notna()], [], 0.0
    if ("line noise", "") in told.index:
        noise = told.loc[("line noise", "")]
        chance = noise["value"]
        items.append(
            "Noise passes for a line in {value:.1%} ({low:.1%} to {high:.1%}) of {n} windows of "
            "the same true spectra in which there is none.".format(**noise)
        )
    for line in dict.fromkeys(measured["line"].dropna()):
        # all in which the line was looked for: those that have it, and those that do not
        n = whole["n"].reindex([("line found", line), ("line false", line)]).sum()
        words = [
            form.format(**told.loc[(quantity, line)], noise=chance * n)
            for quantity, form in LINE_WORDS.items()
            if (quantity, line) in told.index
        ]
        if words:
            items.append(f"{line}: {'; '.join(words)}.")
    return listed(items)
