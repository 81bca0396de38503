"""The archive of the reference run, which the repository's pages show."""

import re

import pytest
import yaml

from helpers import PROJECT
from mmae.archive.contents import required_files
from mmae.archive.reading import read_archive
from mmae.config import read_section
from mmae.files.checksums import file_digest
from mmae.settings import Settings

ARCHIVE = PROJECT / "results/reference/archive"
MEGABYTES = 25


CONFIG = yaml.safe_load((PROJECT / "config/config.yaml").read_text())


@pytest.fixture(scope="module")
def archive():
    return read_archive(str(ARCHIVE), CONFIG, {})


def test_it_is_whole_and_small(archive):
    found = {name: file_digest(ARCHIVE / name) for name in archive.sums}
    assert found == archive.sums
    assert sum((ARCHIVE / name).stat().st_size for name in archive.sums) < MEGABYTES * 1e6


def test_todays_settings_read_its_config_and_find_all_they_ask_for(archive):
    settings = read_section(Settings, CONFIG | archive.config, "config")
    assert set(required_files(settings)) <= set(archive.sums)


def test_its_page_shows_every_figure():
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ARCHIVE / "README.md").read_text())
    assert len(shown) >= 9
    assert all((ARCHIVE / name).is_file() for name in shown)
