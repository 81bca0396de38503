"""What a model is shown at test time, by the name that folders carry."""

import re
from typing import NamedTuple

from mmae.errors import InputError


class View(NamedTuple):
    """Hidden fractions of test galaxies."""

    image: float
    spectrum: float

    @property
    def name(self) -> str:
        """As folders carry it."""
        return f"image{self.image:.2f}-spectrum{self.spectrum:.2f}"


def parse_view(name: str) -> View:
    """View of a name such as image0.25-spectrum1.00.

    Raises
    ------
    InputError
        If the name is none, or a fraction is above 1.
    """
    found = re.fullmatch(r"image(\d\.\d\d)-spectrum(\d\.\d\d)", name)
    view = View(*map(float, found.groups())) if found else None
    if view is None or max(view) > 1:
        raise InputError(
            "view", found=repr(name), expected="hidden fractions, such as image0.25-spectrum1.00"
        )
    return view
