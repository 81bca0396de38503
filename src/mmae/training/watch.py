"""What a training tells while it runs: people in a terminal, and its logs.

Nothing here is part of a result, and nothing that fails here ends a training.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self

from torch import Tensor

from mmae.progress import Bar, time_left
from mmae.settings import Training
from mmae.training.processes import is_first
from mmae.training.state import State

log = logging.getLogger(__name__)


class TrainingLog(Protocol):
    """Where a training is written down. It may fail at any time: then it is left alone."""

    name: str
    """For the warning that it failed."""
    every_steps: int | None
    """Steps between losses of single steps; None: epochs only."""

    def begin(self, first_step: int, epochs_done: int) -> None:
        """Begin, or go on. What is there of `first_step` and later is to be forgotten."""

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Write losses and learning rate of one step, counted from 1."""

    def epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Write an epoch's row of history.csv and its speed; `step` was its last."""

    def end(self, how: type[BaseException] | None) -> None:
        """Close; `how` is what ended the training, None if it is complete."""


class Watch:
    """Tells how far a training is. Of several processes only the first one does.

    Parameters
    ----------
    state : State
        The training, as it begins or goes on.
    settings : Training
    n_steps : int
        Of an epoch.
    logs : sequence of TrainingLog
    """

    def __init__(
        self, state: State, settings: Training, n_steps: int, logs: Sequence[TrainingLog] = ()
    ):
        self.state, self.n_steps, self.epochs = state, n_steps, settings.epochs
        self.tells = is_first()
        self.logs = list(logs) if self.tells else []
        self.bar = Bar(self._epoch_words(), n_steps * settings.epochs)

    def __enter__(self) -> Self:
        state = self.state
        if self.tells:
            self.bar.__enter__()
        # kept between its last step and its validation, an epoch may have been written since; its
        # last step is then forgotten with it
        twice = state.n_seen > 0 and state.steps % self.n_steps == 0
        self._each(lambda log: log.begin(state.steps + 1 - twice, state.epoch - 1))
        self.began, self.began_at = time.monotonic(), state.steps
        self._begin_epoch()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if self.tells:
            self.bar.__exit__(kind, *exception)
        self._each(lambda log: log.end(kind))

    def step(self, losses: Mapping[str, Tensor], n_galaxies: int) -> None:
        """Tell of a step that was taken.

        Parameters
        ----------
        losses : mapping of str to Tensor
            Of this process's galaxies.
        n_galaxies : int
            Of the batch, in all processes.
        """
        if not self.tells:
            return
        self.stepped, self.n_galaxies = time.monotonic(), self.n_galaxies + n_galaxies
        rate, self.learning_rate = self.learning_rate, self._learning_rate()
        step = self.state.steps
        if any(log.every_steps and step % log.every_steps == 0 for log in self.logs):
            values = {name: value.item() for name, value in losses.items()}
            values["learning_rate"] = rate
            self._each(
                lambda log: log.step(step, values),
                lambda log: bool(log.every_steps) and step % log.every_steps == 0,
            )
        self.bar.at(step, self._words)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Tell of an epoch that has just ended.

        Parameters
        ----------
        row : mapping of str to float
            Of history.csv.
        """
        if not self.tells:
            return
        values = dict(row) | {"galaxies_per_second": self._speed()}
        number, scatter = values.pop("epoch"), row["validation_sigma_nmad"]
        log.info(
            "epoch %d of %d: loss %.4f, validation loss %.4f%s; %.0f galaxies/s%s",
            *(number, self.epochs, row["train_total"], row["validation_total"]),
            "" if math.isnan(scatter) else f", sigma_NMAD {scatter:.4f}",
            *(values["galaxies_per_second"], self._left()),
        )
        self._each(lambda log: log.epoch(number, self.state.steps, values))
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        """Count from here."""
        self.started = self.stepped = time.monotonic()
        self.n_galaxies = 0
        self.learning_rate = self._learning_rate()
        self.bar.what = self._epoch_words()

    def _each(
        self,
        write: Callable[[TrainingLog], None],
        wanted: Callable[[TrainingLog], bool] = lambda log: True,
    ) -> None:
        """Write to the logs that want it; one that fails is told once, and left."""
        for one in [each for each in self.logs if wanted(each)]:
            try:
                write(one)
            except Exception as error:  # a disk, a server, a package: whatever it is
                self.logs.remove(one)
                log.warning(
                    "%s is not written any more (%s); the training goes on", one.name, error
                )

    def _epoch_words(self) -> str:
        """The running epoch."""
        return f"epoch {min(self.state.epoch, self.epochs)} of {self.epochs}"

    def _words(self) -> str:
        """Where the epoch is, its losses so far, speed, and time left for the whole training."""
        state = self.state
        step = state.steps - (state.epoch - 1) * self.n_steps
        means = {name: value / max(state.n_seen, 1) for name, value in state.sums.items()}
        loss = f"loss {means.pop('total'):.4f}"
        if means:
            loss += f" ({', '.join(f'{name} {value:.3g}' for name, value in means.items())})"
        speed = f"{self._speed():.0f} galaxies/s{self._left()}"
        return f"step {step} of {self.n_steps}, {loss}, {speed}"

    def _speed(self) -> float:
        """Galaxies a second in this epoch, all processes together; validation is not in it."""
        return self.n_galaxies / max(self.stepped - self.started, 1e-9)

    def _left(self) -> str:
        """Time left if no epoch is spared, validation included."""
        done, steps = self.state.steps, self.n_steps * self.epochs
        return time_left(time.monotonic() - self.began, done - self.began_at, steps - done)

    def _learning_rate(self) -> float:
        """Of the next step, without a model's slow parameters."""
        return float(self.state.schedule.get_last_lr()[-1])
