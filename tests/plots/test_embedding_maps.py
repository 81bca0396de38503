"""Embeddings in two dimensions."""

import numpy as np
import pytest

from mmae.errors import InputError
from mmae.plots.embedding_map import embedding_maps
from mmae.plots.style import WIDTH_INCH

LABELS = ("mmae, trained 75% hidden, image 25% hidden", "bcnn", "astroclip", "cnn", "gbdt")


def galaxies(n: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Points whose coordinates tell their redshift, (n, 2), and the redshift, sorted."""
    redshift = np.linspace(0.01, 4.0, n)
    return np.column_stack([redshift, 10 - redshift]), redshift


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_a_panel_a_model_and_one_colour_bar(fits, n):
    points, redshift = galaxies()
    maps = {label: points + k for k, label in enumerate(LABELS[:n])}
    figure = embedding_maps(maps, redshift)
    assert fits(figure)
    assert figure.get_figwidth() < WIDTH_INCH + 0.01
    *panels, bar = figure.axes
    drawn = [axes for axes in panels if axes.axison]
    assert [axes.get_title().replace("\n", " ") for axes in drawn] == [*LABELS[:n]]
    for k, axes in enumerate(drawn):
        (dots,) = axes.collections
        x, y = np.asarray(dots.get_offsets()).T
        colours = np.asarray(dots.get_array())
        # a point keeps its redshift, whatever the order
        assert x - k == pytest.approx(colours)
        assert y - k == pytest.approx(10 - colours)
        assert np.sort(colours) == pytest.approx(redshift)
        assert dots.norm is drawn[0].collections[0].norm
        assert dots.get_cmap().name == "viridis"
        assert not len(axes.get_xticks())
    assert bar.get_ylabel() == r"$z_\mathrm{spec}$"
    assert figure.get_supxlabel() == "first dimension"
    assert figure.get_supylabel() == "second dimension"


def test_neither_near_nor_far_galaxies_lie_on_top():
    points, redshift = galaxies(1000)
    (dots,) = embedding_maps({"mmae": points}, redshift).axes[0].collections
    order = np.asarray(dots.get_array())
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.1
    (again,) = embedding_maps({"mmae": points}, redshift).axes[0].collections
    assert np.array_equal(order, again.get_array())


def test_colours_span_the_redshifts():
    points, redshift = galaxies()
    norm = embedding_maps({"mmae": points}, redshift).axes[0].collections[0].norm
    assert (norm.vmin, norm.vmax) == (0, 4)
    assert norm(1.0) == pytest.approx(0.5), "the square root"
    norm = embedding_maps({"mmae": points}, 0 * redshift).axes[0].collections[0].norm
    assert norm.vmax > 0


def test_many_galaxies_are_small_and_one_is_seen(fits):
    sizes = []
    for n in (1, 1200, 20_000):
        figure = embedding_maps({"mmae": np.zeros((n, 2))}, np.full(n, 0.5))
        sizes.append(figure.axes[0].collections[0].get_sizes()[0])
        assert figure.axes[0].collections[0].get_rasterized()
    assert fits(figure)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0


def test_maps_of_other_galaxies_are_refused():
    points, redshift = galaxies()
    with pytest.raises(InputError, match="found 0 maps of redshifts of shape"):
        embedding_maps({}, redshift)
    with pytest.raises(InputError, match=r"1 maps of redshifts of shape \(0,\)"):
        embedding_maps({"mmae": points[:0]}, redshift[:0])
    with pytest.raises(InputError, match=r"bcnn: found shape \(49, 2\) .* each of 50 galaxies"):
        embedding_maps({"mmae": points, "bcnn": points[1:]}, redshift)
    with pytest.raises(InputError, match=r"mmae: found .*numbers not finite"):
        embedding_maps({"mmae": np.where(points > 9, np.nan, points)}, redshift)
    with pytest.raises(InputError, match="redshifts not finite"):
        embedding_maps({"mmae": points}, np.where(redshift > 3, np.nan, redshift))
