"""The row `limit` of the tables: a model that is given the truth of a simulated survey."""

from typing import Any

LIMIT = "limit"
"""Its name among the models."""


def with_limit(config: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    """A valid config with the model `limit` among the baselines, if its survey is simulated.

    Parameters
    ----------
    config : dict
        Is not changed.
    entries : dict
        Content of config/limit.yaml: `modalities` and `models`, which a config may have itself;
        {survey} in a file's path is the survey's name.

    Returns
    -------
    dict
        The config itself where the survey is not simulated, or `grid.limit` is false.
    """
    survey, grid = config["survey"], config["grid"]
    if survey["source"] != "simulate" or not grid.get("limit"):
        return config
    added = {}
    for part, more in entries.items():
        known = config[part]
        added[part] = known | {
            name: one | {k: one[k].format(survey=survey["name"]) for k in one if k == "file"}
            for name, one in more.items()
            if name not in known
        }
    baselines = [*grid["baselines"], *[LIMIT] * (LIMIT not in grid["baselines"])]
    return config | added | {"grid": grid | {"baselines": baselines}}
