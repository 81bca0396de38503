"""Bars in a terminal, lines elsewhere, and the same words in both."""

import io
import logging
import re
import sys
import threading
from collections.abc import Callable

import pytest

from mmae import progress as telling
from mmae.progress import Bar, ByteProgress, LineHandler, duration, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Callable[[], Terminal]:
    """Puts a terminal on stderr, 100 columns wide, in which every word is shown."""

    # as a test begins, pytest has its own stderr again
    def put() -> Terminal:
        screen = Terminal()
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    monkeypatch.setattr(telling, "BAR_EVERY_SECONDS", -1.0)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return put


@pytest.fixture
def lines(caplog, monkeypatch):
    """Every line that would be logged now and then."""
    monkeypatch.setattr(telling, "LINE_EVERY_SECONDS", -1.0)
    caplog.set_level("INFO")
    return caplog


def test_without_a_terminal_it_is_lines(lines, capsys):
    assert list(progress("abc", "letters")) == ["a", "b", "c"]
    assert re.fullmatch(r"letters: 2 of 3, \d+ s left", lines.messages[1])
    assert len(lines.messages) == 3
    assert "\x1b" not in capsys.readouterr().err


def test_lines_come_now_and_then(caplog):
    caplog.set_level("INFO")
    list(progress(range(1000), "numbers"))
    assert caplog.messages == []


def test_what_has_no_length_is_counted(lines):
    assert list(progress(iter("ab"), "letters")) == ["a", "b"]
    assert lines.messages == ["letters: 1", "letters: 2"]


def test_in_a_terminal_it_is_a_bar_that_goes_away(terminal, caplog):
    screen = terminal()
    caplog.set_level("INFO")
    for number in progress(range(4), "numbers"):
        if number == 3:
            telling._BARS.display.refresh()
    shown = screen.getvalue()
    assert "numbers" in shown
    assert re.search(r"75%.*3 of 4, 0 s left", shown)
    # the last thing is that the line is wiped and the cursor is there again
    assert shown.rindex("\x1b[2K") > shown.rindex("numbers")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert caplog.messages == []
    assert telling._BARS.display is None


def test_a_consumer_that_fails_leaves_no_bar(terminal):
    screen = terminal()

    def fail() -> None:
        for _ in progress(range(4), "numbers"):
            raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        fail()
    assert "numbers" in screen.getvalue()
    assert telling._BARS.display is None


def test_log_lines_stand_above_the_bar(terminal):
    screen = terminal()
    handler = LineHandler()
    log = logging.getLogger("mmae.above")
    log.addHandler(handler)
    try:
        with Bar("work", 2) as bar:
            bar.at(1, lambda: "words")
            log.warning("a line of its own")
            assert sys.stderr is not screen
    finally:
        log.removeHandler(handler)
    assert sys.stderr is screen
    shown = screen.getvalue()
    assert re.search(r"(^|\x1b\[2K|\r|\n)a line of its own *\r?\n", shown)


def test_results_on_stdout_are_left_alone(terminal, capsys):
    screen = terminal()
    with Bar("work", 2):
        print("a result")
    assert capsys.readouterr().out == "a result\n"
    assert "a result" not in screen.getvalue()


def test_several_downloads_share_the_terminal(terminal):
    screen = terminal()
    both = threading.Barrier(2)

    def fetch(name: str) -> None:
        with ByteProgress(name, 4_000_000) as bar:
            bar.at(0, 4_000_000)
            bar.add(2_000_000)
            both.wait()
            telling._BARS.display.refresh()
            both.wait()

    threads = [threading.Thread(target=fetch, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = screen.getvalue()
    assert re.search(r"first[^\n]*50%[^\n]*2 of 4 MB[^\n]*\n[^\n]*second|second.*\n.*first", shown)
    assert telling._BARS.display is None


def test_a_download_that_ends_leaves_the_others_their_bars(terminal):
    terminal()
    with Bar("first"):
        with Bar("second"):
            pass
        assert [task.description for task in telling._BARS.display.tasks] == ["first"]
    assert telling._BARS.display is None


def test_bytes_are_told_from_where_an_attempt_began(lines):
    with ByteProgress("file", None) as bar:
        bar.at(5_000_000, 10_000_000)
        bar.began -= 10
        bar.add(1_000_000)
    assert lines.messages == ["file: 6 of 10 MB, 0.1 MB/s, 40 s left"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5400, "90 min"),
        (7500, "2 h 05 min"),
        (47 * 3600, "47 h 00 min"),
        (100 * 3600, "4 d 04 h"),
    ],
)
def test_durations_are_for_people(seconds, words):
    assert duration(seconds) == words
