"""Curves for TensorBoard."""

from __future__ import annotations

import os
import time
from typing import Any

from lstm_rs.keras._checks import flag, not_yet, path_name, steps
from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback


class TensorBoard(Callback):
    """Writes loss, metrics and learning rate for TensorBoard: scalars only, no graphs, histograms, images or profiles.

    Needs the package `tensorboard` (not TensorFlow), which is imported when training begins. The curves of training
    are written below `train`, those of validation below `validation`, under the tags that Keras uses.

    Args:
        log_dir: The directory for the event files. Default `logs`.
        histogram_freq: Not supported yet.
        write_graph: Accepted as in Keras; no graph is written.
        write_images: Not supported yet.
        write_steps_per_second: Whether to log how many steps a second took. Default False.
        update_freq: `epoch` (default), `batch`, or a number of batches after which to log a batch, too.
        profile_batch: Not supported yet.
        embeddings_freq: Not supported yet.
        embeddings_metadata: Not supported yet.

    Raises:
        ImportError: at the beginning of a training, without the package `tensorboard`.
        ValueError: for another frequency, or None as `profile_batch`.

    >>> import lstm_rs as tf
    >>> board = tf.keras.callbacks.TensorBoard("logs/first")

    As `keras.callbacks.TensorBoard`, for scalars.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        if profile_batch is None:
            raise ValueError("TensorBoard: `profile_batch` must be a number of a batch. Received: profile_batch=None")
        not_yet(
            "TensorBoard",
            histogram_freq=histogram_freq,
            write_images=write_images,
            profile_batch=profile_batch,
            embeddings_freq=embeddings_freq,
            embeddings_metadata=embeddings_metadata,
        )
        update_freq = steps("TensorBoard", ["epoch", "batch"], update_freq=update_freq)
        self.log_dir = path_name(log_dir=log_dir)
        self.write_graph = flag(write_graph=write_graph)
        self.write_steps_per_second = flag(write_steps_per_second=write_steps_per_second)
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._writers: dict[str, Any] = {}
        self._batches = 0
        self._batch_began = self._epoch_began = 0.0
        self._steps_before = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Opens the file of the training."""
        self._batches = 0
        self._writer("train")

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Notes time and steps."""
        self._epoch_began = time.perf_counter()
        self._steps_before = self.model.optimizer.iterations

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Notes the time."""
        self._batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Writes the logs of a batch where `update_freq` says so."""
        self._batches += 1
        if not isinstance(self.update_freq, int) or self._batches % self.update_freq:
            return
        values = dict(logs or {})
        if self.write_steps_per_second:
            values["steps_per_second"] = 1.0 / (time.perf_counter() - self._batch_began)
        self._write("train", {f"batch_{name}": value for name, value in values.items()}, self._batches)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes the logs of an epoch."""
        logs = logs or {}
        values = {name: value for name, value in logs.items() if not name.startswith("val_")}
        optimizer = self.model.optimizer
        values["learning_rate"] = float(optimizer.learning_rate)
        if self.write_steps_per_second:
            steps = optimizer.iterations - self._steps_before
            values["steps_per_second"] = steps / (time.perf_counter() - self._epoch_began)
        self._write("train", {f"epoch_{name}": value for name, value in values.items()}, epoch)
        validation = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
        self._write("validation", {f"epoch_{name}": value for name, value in validation.items()}, epoch)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Writes the results of an evaluation over the optimizer's steps."""
        alone = not self._writers
        values = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
        self._write("validation", values, self.model.optimizer.iterations)
        if alone:
            # An evaluation by itself has no later hook to close the file at.
            self.on_train_end()

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            try:
                from tensorboard.summary.writer.event_file_writer import EventFileWriter
            except ImportError as error:
                raise ImportError(
                    "The callback TensorBoard needs the package `tensorboard`: pip install tensorboard"
                ) from error
            self._writers[name] = EventFileWriter(os.path.join(self.log_dir, name))
        return self._writers[name]

    def _write(self, name: str, values: Logs, step: int) -> None:
        if not values:
            return
        writer = self._writer(name)
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()])
        writer.add_event(Event(wall_time=time.time(), step=int(step), summary=summary))
        writer.flush()
