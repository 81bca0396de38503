"""Event files for TensorBoard.

The usual writer of tensorboardX has a thread, which dies silently on a full disk and then blocks
the training. Its file is written here without that thread, so that errors come to light.
"""

import time
from collections.abc import Mapping
from pathlib import Path

FLUSH_EVERY_SECONDS = 20.0
FILES = f"events.out.tfevents.*.{'[0-9]' * 9}"
"""Other programs' names do not end with the step."""


class TensorBoardLog:
    """Scalars by step: losses and learning rate of single steps, and each epoch at its last step.

    Parameters
    ----------
    folder : Path
        Of this training alone: event files that an earlier one wrote are deleted when it begins.
    every_steps : int
        Steps between losses of single steps.
    """

    name = "the log for TensorBoard"

    def __init__(self, folder: Path, every_steps: int):
        self.folder, self.every_steps = folder, every_steps

    def begin(self, first_step: int, epochs_done: int) -> None:
        """Begin a file; TensorBoard forgets what other files have of `first_step` and later."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self.folder.mkdir(parents=True, exist_ok=True)
        if first_step == 1:
            for path in self.folder.glob(FILES):
                path.unlink()
        # files are read in the order of their names: those of one second, in that of steps
        self.file = EventsWriter(str(self.folder / "events"), f".{first_step:09d}")
        start = SessionLog(status=SessionLog.START)
        self.file.write_event(Event(wall_time=time.time(), step=first_step, session_log=start))
        self._flush()

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Write losses and learning rate of one step."""
        self._write(step, {f"step/{name}": value for name, value in values.items()})
        if time.monotonic() - self.flushed > FLUSH_EVERY_SECONDS:
            self._flush()

    def epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Write an epoch's row: train_total is train/total, and so on."""
        tags = {name: name.replace("_", "/", 1) for name in values}
        tags["galaxies_per_second"] = "epoch/galaxies_per_second"
        self._write(step, {tags[name]: value for name, value in values.items()})
        self._write(step, {"epoch/number": epoch})
        self._flush()

    def end(self, how: type[BaseException] | None) -> None:
        """Close the file."""
        self.file.close()

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=scalars))
        self.file.write_event(event)

    def _flush(self) -> None:
        """Let readers see what is written."""
        self.file.flush()
        self.flushed = time.monotonic()
