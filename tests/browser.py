"""A page in headless Chromium: what it asks for, and how it looks on a phone."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
MEASURE = """<script>addEventListener("load", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  document.title = JSON.stringify({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
    images: document.images.length});
});</script>"""


class Seen(NamedTuple):
    """What a browser saw."""

    overflow: int
    """Pixels by which the page is wider than a phone."""
    images: int
    broken: int
    """Images that cannot be shown."""
    requests: list[str]
    """What was asked of a network."""
    errors: list[str]
    """Of the console."""
    dom: str


def look_at(page: Path, folder: Path, script: str = "") -> Seen:
    """Open a copy of a page, 390 pixels wide, in a browser that no network answers."""
    copy, log = folder / "copy.html", folder / "net.json"
    text = page.read_text("utf-8").replace('loading="lazy"', "")
    copy.write_text(text.replace("</body>", f"{script}{MEASURE}</body>"), "utf-8")
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
            *("--disable-sync", "--disable-extensions", "--disable-default-apps"),
            *(f"--user-data-dir={folder}/profile", "--window-size=390,844"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}"),
            *("--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom"),
            copy.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(re.search("<title>(.*?)</title>", done.stdout)[1].replace("&quot;", '"'))
    # the browser asks its own makers, whatever it is told
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', log.read_text(errors="replace")))
    own = re.compile(r"https?://([\w-]+\.)*(google|googleapis|gstatic|gvt1)\.com/")
    return Seen(
        **measured,
        requests=sorted(url for url in asked if not own.match(url)),
        errors=[line for line in done.stderr.splitlines() if "CONSOLE" in line],
        dom=done.stdout,
    )
