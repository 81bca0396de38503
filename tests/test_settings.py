import copy
import json

import jsonschema
import pytest
import yaml

from helpers import PROJECT
from mmae.config import from_text, json_schema, read_config, read_section
from mmae.errors import InputError
from mmae.settings import NEEDED_VIEWS, Scoring, Settings, Training, can_do, training_of
from mmae.workflow import runs

CONFIGS = sorted(path.name for path in (PROJECT / "config").glob("*.yaml"))
CONFIGS.remove("schema.yaml")


def changed(config: dict, dotted: str, value: object) -> dict:
    """A copy of the config with one key set."""
    config = copy.deepcopy(config)
    *parents, last = dotted.split(".")
    section = config
    for parent in parents:
        section = section[parent]
    section[last] = value
    return config


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_is_valid(name):
    merged = read_config(str(PROJECT / "config/config.yaml"), str(PROJECT / "config" / name))
    settings = read_section(Settings, merged, name)
    jsonschema.validate(merged, json_schema())
    assert settings.headline.mask == 0.75


def nested(kind: str) -> str:
    """YAML in which 30 lines stand for a thousand million values."""
    lines = ["a0: &a0 {x: 1}"]
    for k in range(1, 30):
        value = {
            "lists": f"[*a{k - 1}, *a{k - 1}]",
            "mappings": f"{{p: *a{k - 1}, q: *a{k - 1}}}",
            "merges": f"{{<<: [*a{k - 1}, *a{k - 1}], k{k}: 1}}",
        }[kind]
        lines.append(f"a{k}: &a{k} {value}")
    return "\n".join(lines)


@pytest.mark.parametrize("kind", ["lists", "mappings", "merges"])
def test_aliases_of_aliases_are_told_at_once(tmp_path, kind):
    path = tmp_path / "c.yaml"
    path.write_text(nested(kind))
    words = r"c\.yaml: found no YAML .more than 100000 values, aliases written out"
    with pytest.raises(InputError, match=words):
        read_config(str(path))
    # as it comes from Snakemake, which has read it
    if kind != "merges":
        with pytest.raises(InputError, match=r"^config: found more than 100000 values"):
            read_section(Settings, yaml.safe_load(nested(kind)), "config")


@pytest.mark.parametrize("text", ["a: &a [*a]", "[" * 5000, "a: 2020-13-45", "a: \t&", "\x00"])
def test_yaml_that_is_none_is_one_sentence(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"c\.yaml: found no YAML"):
        read_config(str(path))


def test_paper_config_has_the_papers_sizes():
    merged = read_config(str(PROJECT / "config/config.yaml"), str(PROJECT / "config/paper.yaml"))
    settings = read_section(Settings, merged, "paper.yaml")
    model, training = settings.models["mmae"], settings.training
    assert (model.dim, model.depth, model.heads, model.cross_layers) == (256, 4, 8, 4)
    assert (model.dropout, training.batch_size, training.epochs) == (0.1, 256, 100)
    assert (training.learning_rate, training.schedule) == (1e-4, "constant")
    assert (model.position_rate, training.weight_decay, training.gradient_clip) == (0.1, 0.01, 1)
    assert model.weights == {"image": 0.1, "spectrum": 0.01, "redshift": 1.0}
    assert (model.dropped, settings.headline.mask) == ({"spectrum": 0.5}, 0.75)
    assert (model.modalities, model.masking) == (("image", "spectrum"), "zero")
    assert (model.more_masks, model.missing, model.mask_channel) == ({}, "zero", False)
    assert not model.even_scales
    assert [settings.modalities[name].patch for name in model.modalities] == [8, 8]
    assert settings.arrays.pool == 30
    assert training_of(training, model.training) == training
    assert training.augment == "none"
    bcnn = settings.models["bcnn-mag"]
    assert bcnn.channels == (32, 64, 128, 256, 256, 512, 512)
    assert (bcnn.dense, bcnn.magnitude_dense) == ((512, 128, 32), (200,) * 6)


def test_schema_file_is_what_the_dataclasses_say():
    assert yaml.safe_load((PROJECT / "config/schema.yaml").read_text()) == json.loads(
        json.dumps(json_schema())
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("training.learning_rat", 1e-3, ["training.learning_rat", "unknown key", "learning_rate"]),
        ("training.learning_rate", "1e-4", ["found '1e-4'", "number", "1.0e-4"]),
        (
            "training.learning_rate",
            -1.0,
            ["training.learning_rate", "found -1.0", "greater than 0"],
        ),
        ("training.epochs", 2.5, ["training.epochs", "found 2.5", "integer"]),
        ("training.device", "gpu", ["training.device", "found 'gpu'", "'cuda'"]),
        ("evaluation.device", "gpu", ["evaluation.device", "found 'gpu'", "'cuda'"]),
        ("crossmatch", {}, ["crossmatch.radius_arcsec", "no such key"]),
        ("models.mmae.heads", 5, ["models.mmae", "64", "heads 5"]),
        ("models.mmae.sizes", 5, ["models.mmae.sizes", "unknown key", "dim"]),
        ("grid.masks", [0.5, 1.5], ["grid.masks.1", "found 1.5", "less than or equal to 1"]),
        ("grid.masks", [0.5, 0.125], ["grid.masks.1", "0.125", "two decimals"]),
        ("grid.models", ["vit"], ["grid.models: 'vit' is not among models", "'mmae', 'cnn'"]),
        ("grid.models", ["mmae", "cnn"], ["grid", "['cnn'] are among models and among baselines"]),
        ("grid.probes", ["vit"], ["grid.probes: 'vit' is not among models"]),
        ("grid.more_seeds", [0], ["grid", "seeds [0] are among seeds and among more_seeds"]),
        ("headline.mask", 0.33, ["headline.mask 0.33 is not among grid.masks", "0.75"]),
        ("headline.model", "other", ["headline.model other is not among grid.models"]),
        ("grid.models", [], ["grid.models", "at least 1"]),
        ("models.himes2025", {"kind": "median"}, ["'himes2025' has the name of a published model"]),
        (
            "models.gbdt-knn",
            {"kind": "median"},
            ["'gbdt-knn' has the name of another one's readout"],
        ),
        ("models.cnn.kind", "vit", ["models.cnn.kind", "found 'vit'", "'paper'", "mmae/models"]),
        ("models.cnn.kind", "../errors", ["models.cnn.kind", "found '../errors'"]),
        ("models.cnn.channels", [], ["models.cnn.channels", "at least 1"]),
        ("models.cnn.heads", 4, ["models.cnn.heads", "unknown key", "'channels'"]),
        ("models.bcnn.image_size", 48, ["models.bcnn.image_size", "unknown key", "'channels'"]),
        ("models.bcnn.photometry", "photometry", ["models.bcnn", "magnitude_dense and photometry"]),
        ("models.cnn.image", "infrared", ["models.cnn: 'infrared' is not among modalities"]),
        ("models.mmae.modalities", ["image"], ["models.mmae.modalities", "at least 2"]),
        ("models.mmae.dropped", {"text": 0.5}, ["models.mmae", "dropped: 'text' is not among"]),
        (
            "models.mmae.missing",
            "nan",
            ["mmae.missing", "found 'nan'", "'zero' or 'hidden'"],
        ),
        (
            "models.mmae.more_masks",
            {"image": {"gap": 2.0}},
            ["models.mmae.more_masks.image: gap: found 2.0, expected longest gap"],
        ),
        (
            "modalities.image.patch",
            0,
            ["modalities.image.patch", "found 0", "greater than"],
        ),
        ("modalities.image.ptch", 8, ["modalities.image.ptch", "unknown key", "['kind', 'patch']"]),
        (
            "modalities.image.kind",
            "cube",
            ["modalities.image.kind", "found 'cube'", "mmae/mod"],
        ),
        ("modalities.photometry.columns", [], ["modalities.photometry.columns", "at least 1"]),
        (
            "modalities.spectrum.pooling",
            "max",
            ["spectrum.pooling", "found 'max'", "'ivar'"],
        ),
        ("views.no-y.hidden.image", 1.5, ["views.no-y.hidden.image", "found 1.5", "equal to 1"]),
        ("views.no-y.hidden.image", {"fog": 1}, ["views.no-y.hidden.image: found a mask 'fog'"]),
        (
            "views.no-y.hidden",
            {"radio": 1.0},
            ["views.no-y.hidden: 'radio' is not among"],
        ),
        ("views.No y", {"hidden": {}}, ["views", "No y"]),
        ("grid.views", ["no-x"], ["grid.views: 'no-x' is not among views", "'image0.25-spectrum"]),
        ("grid.study_views", ["no-x"], ["grid.study_views: 'no-x' is not among views"]),
        ("grid.models", ["astroclip"], ["kind astroclip, expected one that hides parts and gives"]),
        (
            "grid.spectrum_probes",
            ["cnn"],
            ["expected one that embeds several modalities"],
        ),
        ("grid.probes", ["gbdt"], ["kind gbdt, expected one that has embeddings"]),
        ("models.bcnn.channels", [4, 4], ["models.bcnn.channels", "at least 5"]),
        ("models.astroclip.pool_heads", 5, ["dim 64 is not a multiple of pool_heads 5"]),
        ("models.cnn.training", {"epoch": 3}, ["models.cnn.training", "epoch is an unknown key"]),
        ("models.cnn.training", {"epochs": 0}, ["models.cnn.training.epochs", "found 0"]),
        ("models.cnn.training", {"augment": "flip"}, ["models.cnn.training.augment", "'dihedral'"]),
        ("models.cnn.kind", "losses", ["models.cnn.kind", "found 'losses'", "with SETTINGS"]),
        ("models.mmae.dim", 10**7, ["models.mmae.dim", "found 10000000", "equal to 65536"]),
        ("training.threads", 100_000, ["training.threads", "found 100000", "equal to 512"]),
        ("evaluation.threads", 513, ["evaluation.threads", "found 513"]),
        ("survey.simulate.n_galaxies", 2**31, ["survey.simulate.n_galaxies", "less than"]),
        (
            "training.batch_size",
            1,
            ["models.astroclip.training.batch_size", "found 1", "at least 2"],
        ),
        ("grid.masks", [0.75, 0.5, 0.75], ["grid: masks [0.75, 0.5, 0.75] names one twice"]),
        ("grid.masks", [0.75, 0.0, -0.0], ["grid: masks [0.75, 0.0, 0.0] names one twice"]),
        ("grid.views", ["no-y", "no-y"], ["grid: views ['no-y', 'no-y'] names one twice"]),
        (
            "grid.study_views",
            ["no-y", "no-y"],
            ["grid: study_views ['no-y', 'no-y'] names one twice"],
        ),
        ("grid.test_masks", [0.25], ["grid.test_masks", "unknown key", "'views'"]),
        ("grid.study_masks", [0.5, 0.5], ["grid: study_masks [0.5, 0.5] names one twice"]),
        ("grid.seeds", [0, 1, 0], ["grid: seeds [0, 1, 0] names one twice"]),
        ("grid.more_seeds", [1, 1], ["grid: more_seeds [1, 1] names one twice"]),
        ("grid.models", ["mmae", "mmae"], ["grid: models ['mmae', 'mmae'] names one twice"]),
        ("grid.probes", ["mmae", "mmae"], ["grid: probes", "names one twice"]),
        ("from_archive", "", ["from_archive: found '', expected a path"]),
        ("from_archive", "a{b}.zip", ["from_archive: found 'a{b}.zip'", "Snakemake's wildcards"]),
        ("survey.files.desi", "/a{b}", ["survey.files.desi: found '/a{b}'"]),
        ("survey.files.galaxiesml", ["/a", "/{b}"], ["survey.files.galaxiesml: found '/{b}'"]),
        ("scoring.full_range", [0.5, 4.2], ["scoring", "[0.5, 0.4] do not increase"]),
        ("split.train_fraction", 0.9, ["split", "below 1"]),
        ("survey.source", "files", ["survey.source", "'simulate', 'released' or 'rebuild'"]),
        ("survey.desi.url", "http://example.org", ["survey.desi.url", "http://example.org"]),
        ("survey.spectra.groups", 1001, ["survey.spectra.groups", "1001"]),
        ("survey.name", "My Survey", ["survey.name", "My Survey"]),
        ("survey.name", "published", ["survey", "name 'published'"]),
        ("scoring.bin_edges", [0.0, 0.4, 0.2], ["scoring", "do not increase"]),
        ("published.nomask.url", "http://a", ["published.nomask.url", "https"]),
    ],
)
def test_bad_config_is_named_in_one_line(config, key, value, words):
    with pytest.raises(InputError) as caught:
        read_section(Settings, changed(config, key, value), "config")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_mask_of_minus_zero_is_zero(config):
    settings = read_section(Settings, changed(config, "grid.masks", [0.75, -0.0]), "config")
    assert [str(mask) for mask in settings.grid.masks] == ["0.75", "0.0"]
    assert "mask-" not in "".join(run.folder for run in runs.studied(settings))


def test_a_batch_of_one_is_refused_only_where_galaxies_are_compared(config):
    small = changed(config, "training.batch_size", 1)
    for part in ("baselines", "probes", "spectrum_probes"):
        small = changed(small, f"grid.{part}", [])
    assert read_section(Settings, small, "config").training.batch_size == 1


def test_scoring_defaults_are_those_of_the_config(config):
    assert read_section(Scoring, config["scoring"], "config") == Scoring()


def test_later_configs_override_and_json_is_a_config(tmp_path):
    (tmp_path / "a.yaml").write_text("training: {epochs: 3, threads: 1}\n")
    merged = read_config(str(tmp_path / "a.yaml"), '{"training": {"epochs": 4}}')
    assert merged == {"training": {"epochs": 4, "threads": 1}}
    assert read_config('{"a": 1e-05}', "{b: 2}") == {"a": 1e-5, "b": 2}, "JSON, and YAML in braces"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("none.yaml", "no such file"),
        ("a" * 300, "no such file"),
        ("{a: [}", "no YAML"),
        ("{", "no YAML"),
        ("{" * 3000, "no YAML"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "no YAML"),
        (f"{{a: 1{'0' * 5000}}}", "no YAML"),
    ],
    ids=range(7),
)
def test_unreadable_configs(source, words):
    with pytest.raises(InputError, match=words):
        read_config(source)


def test_text_becomes_what_yaml_makes_of_it():
    assert from_text("") == "", "not a null"
    content = {"epochs": "3", "rate": ["1.0e-4", 2], "device": "cuda", "mask": "null", "n": 5}
    assert from_text(content) == {
        **{"epochs": 3, "rate": [1e-4, 2], "device": "cuda", "mask": None, "n": 5}
    }


def test_a_section_alone_is_read(config):
    assert read_section(Training, config["training"], "x").batch_size == 32


@pytest.mark.parametrize("name", NEEDED_VIEWS)
def test_views_that_figures_show_are_needed(config, name):
    config = copy.deepcopy(config)
    del config["views"][name]
    config["grid"]["views"] = [view for view in config["grid"]["views"] if view != name]
    with pytest.raises(InputError, match=rf"^config: views: found no '{name}', which figures of"):
        read_section(Settings, config, "config")


def test_what_each_kind_can_do():
    """Where runs, archives and clusters ask, they ask here."""
    settings = read_section(Settings, read_config(str(PROJECT / "config/config.yaml")), "config")
    found = {name: can_do(model) for name, model in settings.models.items()}

    def those(what: str) -> set[str]:
        return {name for name, model in found.items() if getattr(model, what)}

    assert those("hides") == {"mmae", "restframe"}
    images = {"cnn", "bcnn", "bcnn-mag", "annuli"}
    assert those("embeds") == {"mmae", "restframe", "astroclip"} | images
    assert those("gives_redshift") == set(found) - {"astroclip"}
    trees = {name for name, model in found.items() if model.fitted_by == "scikit-learn"}
    assert trees == {"gbdt", "median"}
    assert {name: model.reads for name, model in found.items()} == {
        **dict.fromkeys(("mmae", "restframe", "astroclip"), ("image", "spectrum")),
        **dict.fromkeys(("cnn", "bcnn", "annuli"), ("image",)),
        **{"bcnn-mag": ("image", "photometry")},
        **{"gbdt": ("photometry",), "median": ()},
    }
