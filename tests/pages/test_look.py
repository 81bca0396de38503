"""Single galaxies on a page, and how it answers in a browser."""

import re

import h5py
import numpy as np
import pytest
import torch

from browser import look_at, needs_chromium
from galaxies import TOY, made_up_galaxies, modalities_of, paper_model
from mmae.errors import InputError
from mmae.evaluation.catalogue import open_catalogues
from mmae.evaluation.predict import predict
from mmae.models import build_model
from mmae.pages.look import first_galaxies, write_look
from mmae.settings import View

N, SHOWN = 20, 6
VIEW = View({"image": {"random": 0.5}, "spectrum": {"random": 1.0}})
ROWS = np.arange(N)[::-1].copy()
NEAREST_FIRST = """<script>addEventListener("load", () => {
  const order = document.getElementById("order");
  order.value = "error 1";
  order.dispatchEvent(new Event("change"));
});</script>"""


@pytest.fixture(scope="module")
def model():
    return paper_model(modalities_of(size=64))


@pytest.fixture(scope="module")
def page(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("look") / "look.html"
    galaxies = made_up_galaxies(N, size=64)
    names = [f"galaxy {row} <b>" for row in ROWS]
    write_look(model, galaxies, names, ROWS, VIEW, 0, 7, SHOWN, path)
    return path


def cards_of(text: str) -> list[int]:
    return [int(place) for place in re.findall(r'<article id="g(\d+)"', text)]


def test_the_worst_stand_first_and_each_is_linked_from_the_plot(model, page):
    text = page.read_text("utf-8")
    table = predict(model, made_up_galaxies(N, size=64), ROWS, VIEW, 0, 7)
    error = ((table["z_pred"] - table["z_spec"]) / (1 + table["z_spec"])).abs()
    places = cards_of(text)
    assert len(places) == SHOWN
    assert places == sorted(places, key=lambda place: -error[place])
    assert set(error.nlargest(SHOWN // 2).index) < set(places)
    assert sorted(places) == sorted(map(int, re.findall(r'<a href="#g(\d+)"', text)))
    assert text.count("<circle") == N
    assert f"<h2>galaxy {ROWS[places[0]]} &lt;b&gt;</h2>" in text
    assert f"z_pred {table['z_pred'][places[0]]:.4f}" in text
    assert text.count('src="data:image/png;base64,') == text.count("<img") == SHOWN
    assert not re.search(r'(src|href)="(https?:|//)', text)


def test_the_density_of_a_redshift_is_drawn(tmp_path):
    torch.manual_seed(0)
    model = build_model(TOY["models"]["restframe"], modalities_of(size=64)).eval()
    galaxies = made_up_galaxies(4, size=64)
    write_look(model, galaxies, "abcd", np.arange(4), VIEW, 0, 3, 2, tmp_path / "look.html")
    text = (tmp_path / "look.html").read_text("utf-8")
    curves = re.findall(r'<path d="M10 4(L[^"]*)V4Z"', text)
    assert len(curves) == 2
    for curve in curves:
        heights = [float(height) for height in re.findall(r"L[\d.]+ (-?[\d.]+)", curve)]
        assert min(heights) == -76.0, "the maximum is as high as there is room"
        assert len(heights) > 10


@needs_chromium
def test_a_browser_shows_and_sorts_them(page, tmp_path):
    seen = look_at(page, tmp_path, NEAREST_FIRST)
    assert (seen.overflow, seen.broken, seen.requests, seen.errors) == (0, 0, [], [])
    assert cards_of(seen.dom) == cards_of(page.read_text("utf-8"))[::-1]


def test_galaxies_of_ones_own_need_neither_spectrum_nor_redshift(model, tmp_path):
    images = made_up_galaxies(5, size=64).values["image"]
    with h5py.File(tmp_path / "own.hdf5", "w") as file:
        file["image"], file["object_id"] = images, [f"mine {k}" for k in range(5)]
    needed = {"image": model.modalities["image"]}
    galaxies, names = first_galaxies(open_catalogues([tmp_path / "own.hdf5"], needed), model, 4, 3)
    assert names == ["mine 0", "mine 1", "mine 2", "mine 3"]
    assert np.array_equal(galaxies.values["image"], images[:4])
    write_look(model, galaxies, names, np.arange(4), VIEW, 0, 3, 2, tmp_path / "look.html")
    text = (tmp_path / "look.html").read_text("utf-8")
    assert len(cards_of(text)) == 2
    assert "<svg" not in text
    assert "off by" not in text


def test_a_model_that_reconstructs_nothing_is_told(tmp_path):
    cnn = build_model(TOY["models"]["cnn"], modalities_of(size=64)).eval()
    galaxies = made_up_galaxies(4, size=64)
    with pytest.raises(InputError, match="expected one that reconstructs image and spectrum"):
        write_look(cnn, galaxies, "abcd", np.arange(4), VIEW, 0, 2, 2, tmp_path / "look.html")
    assert not list(tmp_path.iterdir())
