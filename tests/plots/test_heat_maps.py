"""Tables of numbers as colours."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.plots.heat_map import HeatMap, heat_maps
from mmae.plots.masking import masking_figure, missing_figure
from mmae.plots.style import WIDTH_INCH

MASKS = (0.1, 0.25, 0.5, 0.75, 0.9)


def grid(masks=MASKS, tests=MASKS, width: float = 0.004) -> pd.DataFrame:
    """Numbers that grow with the training ratio downwards and the test ratio to the right."""
    pairs = [(mask, test) for mask in masks for test in tests]
    table = pd.DataFrame(pairs, columns=["mask", "test_mask"])
    value = 0.1 * table["mask"] + 0.01 * table["test_mask"]
    return table.assign(value=value, low=value - width / 2, high=value + width / 2)


def panel(table: pd.DataFrame, better: str = "low") -> HeatMap:
    return HeatMap("scatter", table, better)


def texts(axes) -> dict[tuple[float, int], list]:
    """Texts by row and column, the upper one first."""
    cells: dict[tuple[int, int], list] = {}
    for text in sorted(axes.texts, key=lambda text: text.get_position()[1]):
        column, row = text.get_position()
        cells.setdefault((round(row), round(column)), []).append(text)
    return cells


def test_training_ratios_go_down_and_test_ratios_to_the_right(fits):
    # rows of the table in any order
    table = grid(tests=(0.0, 0.5)).sample(frac=1, random_state=0)
    figure = heat_maps([panel(table)])
    assert fits(figure)
    (axes,) = figure.axes
    drawn = np.asarray(axes.images[0].get_array())
    expected = 0.1 * np.array(MASKS)[:, None] + 0.01 * np.array([0.0, 0.5])
    assert drawn == pytest.approx(expected)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.5"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{m:g}" for m in MASKS]
    assert axes.get_xlabel() == "mask ratio in the test"
    assert axes.get_ylabel() == "mask ratio in training"
    cells = texts(axes)
    assert len(cells) == 10
    told = [text.get_text() for text in cells[1, 1]]
    assert told == ["0.0300", "0.0280–0.0320"]


def named(models=("mmae", "mmae-masked"), views=("no y band", "no g band")) -> pd.DataFrame:
    pairs = [(model, view) for model in models for view in views]
    table = pd.DataFrame(pairs, columns=["mask", "test_mask"])
    value = 0.01 * np.arange(len(pairs))
    return table.assign(value=value, low=value - 0.002, high=value + 0.002)


def test_rows_and_columns_with_names_are_in_the_order_of_the_table(fits):
    table = named(views=("no y band", "no R arm", "no g band"))
    panel = HeatMap("scatter", table, "low", "model", "what is missing in the test")
    figure = heat_maps([panel] * 3)
    assert fits(figure)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        *("no y band", "no R arm", "no g band")
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mmae", "mmae-masked"]
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(
        0.01 * np.arange(6).reshape(2, 3)
    )
    assert axes.get_ylabel() == "model"
    assert axes.get_xlabel().split() == ["what", "is", "missing", "in", "the", "test"]
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes)), "names stay apart"
    for words in axes.texts:
        assert words.get_window_extent().width < axes.get_window_extent().width / 3
    twice = pd.concat([table, table[:1]])
    with pytest.raises(InputError, match="two rows for mask mmae and test_mask no y band"):
        heat_maps([HeatMap("scatter", twice, "low")])


def study_of(tests: dict[str, tuple]) -> pd.DataFrame:
    """A study with the columns that figures show, and others that they do not."""
    rows = []
    for k, (model, mask) in enumerate([("mmae", 0.25), ("mmae", 0.75), ("mmae-masked", 0.75)]):
        for j, keys in enumerate(zip(*tests.values(), strict=True)):
            row = {"model": model, "mask": mask} | dict(zip(tests, keys, strict=True))
            for name in ("sigma_nmad", "low_sigma_nmad", "image_psnr", "spectrum_mse"):
                value = 0.1 + 0.01 * k + 0.001 * j
                row |= {name: value, f"{name}_low": value - 0.001, f"{name}_high": value + 0.001}
            rows.append(row)
    return pd.DataFrame(rows)


def test_the_masking_study_is_drawn_in_four_panels(fits):
    study = study_of({"test_mask": (0.0, 0.5)})
    figure = masking_figure(study[study["model"] == "mmae"])
    assert fits(figure)
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 4
    assert drawn[1].get_title().split()[:5] == ["the", "same", "at", "low", "redshift"]
    assert drawn[2].get_title().startswith("image PSNR (dB)")
    for axes in drawn:
        assert np.asarray(axes.images[0].get_array()) == pytest.approx(
            np.array([[0.1, 0.101], [0.11, 0.111]])
        )


def test_what_is_missing_is_drawn_by_model_and_view(fits):
    study = study_of({"view": ("no y band", "sky lines hidden")})
    study = study[study["mask"] == 0.75]
    # nothing of the spectrum is hidden under the first
    study.loc[study["view"] == "no y band", ["spectrum_mse", "spectrum_mse_low"]] = np.nan
    figure = missing_figure(study)
    assert fits(figure)
    drawn = [axes for axes in figure.axes if axes.axison]
    words = [label.get_text() for label in drawn[0].get_xticklabels()]
    assert words == ["no y band", "sky lines\nhidden"]
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["mmae", "mmae-masked"]
    assert np.ma.getmaskarray(drawn[3].images[0].get_array())[:, 0].all()
    assert drawn[0].get_xlabel().split()[:3] == ["what", "is", "missing"]


@pytest.mark.parametrize("better", ["low", "high"])
def test_better_numbers_are_brighter_and_words_contrast(better):
    (axes,) = heat_maps([panel(grid(), better)]).axes
    picture = axes.images[0]

    def luminance(colour) -> float:
        return float(np.dot(colour[:3], [0.2126, 0.7152, 0.0722]))

    values = np.sort(picture.get_array().ravel())
    light = [luminance(picture.to_rgba(value)) for value in values]
    rising = np.diff(light) > 0
    assert rising.all() if better == "high" else not rising.any()
    assert axes.get_title() == f"scatter\n({better}er is better)"
    for (row, column), words in texts(axes).items():
        dark = luminance(picture.to_rgba(picture.get_array()[row, column])) <= 0.5
        assert {text.get_color() for text in words} == {"white" if dark else "black"}


def test_digits_follow_the_interval():
    for width, words in ((0.4, "0.02"), (0.04, "0.015"), (0.004, "0.0150"), (0.0, "0.015")):
        (axes,) = heat_maps([panel(grid((0.1,), (0.5,), width))]).axes
        assert texts(axes)[0, 0][0].get_text() == words
    (axes,) = heat_maps([panel(grid((20.0,), (0.5,), 30.0))]).axes
    assert texts(axes)[0, 0][0].get_text() == "2"


def test_negative_numbers_have_minus_signs_and_no_dash():
    table = grid((0.1,), (0.5,))
    table[["value", "low", "high"]] = -0.003, -0.005, 0.001
    (axes,) = heat_maps([panel(table)]).axes
    told = [text.get_text() for text in texts(axes)[0, 0]]
    assert told == ["−0.0030", "−0.0050\nto 0.0010"]


def test_cells_without_a_number_are_grey_and_hold_a_dash():
    table = grid(tests=(0.0, 0.5))
    table.loc[table["test_mask"] == 0, ["value", "low", "high"]] = np.nan
    table.loc[1, ["low", "high"]] = np.nan
    # one cell has no row at all
    figure = heat_maps([panel(table.drop(index=9))])
    (axes,) = figure.axes
    cells = texts(axes)
    for row in range(5):
        assert [text.get_text() for text in cells[row, 0]] == ["–"]
    assert len(cells[0, 1]) == 1, "a number without its interval"
    assert [text.get_text() for text in cells[4, 1]] == ["–"]
    picture = axes.images[0]
    assert np.ma.getmaskarray(picture.get_array()).sum() == 6
    assert picture.cmap(np.ma.masked) == pytest.approx((0.9, 0.9, 0.9, 1.0))


def test_none_is_no_number():
    table = grid().astype(object)
    table[["value", "low", "high"]] = None
    (axes,) = heat_maps([panel(table)]).axes
    assert {text.get_text() for text in axes.texts} == {"–"}


@pytest.mark.parametrize(
    ("n", "size", "shape"),
    [
        (1, 5, (1, 1)),
        (3, 5, (2, 2)),
        (4, 5, (2, 2)),
        (4, 2, (2, 3)),
        (2, 10, (2, 1)),
        (1, 1, (1, 1)),
    ],
)
def test_panels_beside_each_other_as_far_as_there_is_room(fits, n, size, shape):
    ratios = np.linspace(0, 0.9, size)
    figure = heat_maps([panel(grid(ratios, ratios))] * n)
    assert fits(figure)
    assert figure.get_figwidth() <= WIDTH_INCH
    rows, columns = figure.axes[0].get_gridspec().get_geometry()
    assert (rows, columns) == shape
    assert sum(axes.axison for axes in figure.axes) == n
    for axes in figure.axes[:n]:
        for words in axes.texts:
            box, cell = words.get_window_extent(), axes.get_window_extent()
            assert box.width < cell.width / size, "numbers stay in their cell"


def test_titles_are_wrapped_to_their_panel(fits):
    label = r"$\sigma_\mathrm{NMAD}$ minus that of the whole image, of the same galaxies"
    figure = heat_maps([HeatMap(label, grid(), "low")] * 2)
    assert fits(figure)
    left, right = (axes.title.get_window_extent() for axes in figure.axes)
    assert left.x1 < right.x0
    assert r"$\sigma_\mathrm{NMAD}$" in figure.axes[0].get_title()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="heat maps: found no panel"):
        heat_maps([])
    with pytest.raises(InputError, match="heat map figure: found no rows"):
        heat_maps([panel(grid()[:0])])
    with pytest.raises(InputError, match="25 rows without low, expected these columns"):
        heat_maps([panel(grid().drop(columns="low"))])
    twice = pd.concat([grid(), grid()[3:4]])
    with pytest.raises(
        InputError, match=r"scatter: found two rows for mask 0\.1 and test_mask 0\.75"
    ):
        heat_maps([panel(twice)])
