"""Training, evaluation and prediction with Keras' semantics.

Python decides which rows come next and whom to tell; one call a batch, or one for a whole array, does the computing.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lstm_rs._engine import Engine
from lstm_rs.keras import _data
from lstm_rs.keras._checks import dictionary, flag, integer, is_off, named, number, positive_int, real, warn
from lstm_rs.keras._seeds import next_seed
from lstm_rs.keras._types import Array, Config, Logs, Rows, Values
from lstm_rs.keras.models.feeds import ArrayFeed, Arrays, BatchFeed, Feed, checked_steps, samples_a_batch
from lstm_rs.keras.models.sources import Source, source_of
from lstm_rs.keras.models.specs import InputSpec, OutputSpec

if TYPE_CHECKING:
    from lstm_rs.keras.callbacks import CallbackList, History
    from lstm_rs.keras.metrics import Metric
    from lstm_rs.keras.models.compiled import Compiled, Resolved
    from lstm_rs.keras.models.own_steps import Steps
    from lstm_rs.keras.optimizers import Optimizer

# A direct call computes in such parts, with the same results, so that a huge one can be interrupted between them.
_DIRECT_BATCH = 1024


class OptimizerState(NamedTuple):
    """What an optimizer has gathered, apart from the engine that gathered it: its steps and its moments by name."""

    iterations: int
    moments: dict[str, Array]

    @classmethod
    def of(cls, engine: Engine) -> OptimizerState:
        """A copy of a compiled engine's."""
        iterations, moments = engine.optimizer_state()
        return cls(iterations, dict(moments))

    def given_to(self, engine: Engine) -> None:
        """Hands it to an engine; a moment that is not here, as of a weight that was frozen, stays as it is there."""
        own = OptimizerState.of(engine).moments
        missing = [
            name for name, values in own.items() if name not in self.moments or self.moments[name].shape != values.shape
        ]
        if missing:
            warn(f"The optimizer's state lacks {', '.join(missing)}: training goes on without.")
        fitting = {**own, **{name: self.moments[name] for name in own if name not in missing}}
        engine.set_optimizer_state(self.iterations, list(fitting.items()))


class Trainer:
    """The half of a model that trains, evaluates and predicts. The other half, `Model`, builds the engine."""

    name: str
    run_eagerly: bool = False
    """As in Keras, may be set; it changes nothing here."""
    jit_compile: bool = False
    """As in Keras, may be set; it changes nothing here."""
    # Asked of the engine once: these are read for every batch.
    _inputs: list[InputSpec]
    _outputs: list[OutputSpec]

    def __init__(self) -> None:
        self.compiled = False
        self.stop_training = False
        self.stop_evaluating = False
        self.stop_predicting = False
        self.history: History | None = None
        self._compiled: Compiled | None = None
        self._resolved: Resolved | None = None
        self._state_to_restore: OptimizerState | None = None
        self._epochs_shuffled = 0
        self._initial_epoch = 0

    @cached_property
    def _seed(self) -> int:
        """Drawn when it is first needed, so that a model that is never built takes no seed."""
        return next_seed()

    @property
    def _engine(self) -> Engine | None:
        """The engine, where there is one. Given by `Model`."""
        raise NotImplementedError

    def _to_read(self, x: Any = None) -> Engine:
        """The engine, built for this input where there is none yet, with the present weights. Given by `Model`."""
        raise NotImplementedError

    def _to_train(self, x: Any = None) -> Engine:
        """The engine, before it changes the weights. Given by `Model`."""
        raise NotImplementedError

    def pack(self, outputs: list[Any]) -> Any:
        """Arrays, one an output, in the form in which the model gives them out: that of one output as it is."""
        return outputs[0]

    def _let_go(self) -> None:
        """Ends what the engine was compiled for: optimizer and metrics no longer read it."""
        if self._resolved is not None:
            self._resolved.attach(None)
            self._resolved = None

    def _recompiled(self) -> None:
        """Called by `compile`. Given by `Model`."""

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        skip_nan: bool = False,
    ) -> None:
        """Says how to train.

        Args:
            optimizer: A name or an `Optimizer`. Default `rmsprop`.
            loss: A name, a function of `keras.losses`, a `Loss`, or one of your own: an object with `value` and
                `gradient`, or a function that returns both, as `keras.losses.Loss` says.
                'crossentropy' becomes the one that fits the shapes.
                With several outputs one for all, a list, or a dictionary by the outputs' names.
            loss_weights: With several outputs, what each loss counts in their sum, a list or a dictionary. Default: 1.
            metrics: A list of names, `Metric`s, and functions `fn(y_true, y_pred)` of NumPy arrays, that ignore
                sample weights. 'accuracy' becomes the one that fits the shapes. With several outputs a list with one
                such list an output, or a dictionary by the outputs' names.
            weighted_metrics: The same, weighted by `sample_weight` or `class_weight`.
            run_eagerly: Accepted as in Keras; it changes nothing.
            steps_per_execution: Accepted as in Keras; it changes nothing.
            jit_compile: Accepted as in Keras; it changes nothing.
            auto_scale_loss: Accepted as in Keras; it changes nothing.
            skip_nan: Whether samples, or steps, with a NaN among their targets count neither in the losses, whose
                means go over the others, nor in the metrics. Default False. Keras has no such argument.

        Raises:
            ValueError: for an unknown name, with the known ones.
            NotImplementedError: for a loss of your own without a gradient.
        """
        flag(auto_scale_loss=auto_scale_loss)
        settings: dict[str, Any] = {
            "run_eagerly": flag(run_eagerly=run_eagerly),
            "steps_per_execution": positive_int("compile", steps_per_execution=steps_per_execution),
            "jit_compile": flag(jit_compile=jit_compile) and jit_compile is True,
        }
        # Loaded here: a program that only predicts does without losses, metrics and optimizers.
        from lstm_rs.keras.models.compiled import Compiled

        compiled = Compiled(optimizer, loss, loss_weights, metrics, weighted_metrics, settings, flag(skip_nan=skip_nan))
        previous = self._compiled
        if previous is not None and previous.optimizer is compiled.optimizer and self._resolved is not None:
            # The same optimizer keeps its steps and moments, as in Keras, where they are its own.
            assert self._engine is not None
            self._state_to_restore = OptimizerState.of(self._engine)
        elif previous is None or previous.optimizer is not compiled.optimizer:
            self._state_to_restore = None
        self._let_go()
        self.run_eagerly, self.jit_compile = settings["run_eagerly"], settings["jit_compile"]
        self._compiled = compiled
        self.compiled = True
        self._recompiled()

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer given to `compile`."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss as given to `compile`."""
        return None if self._compiled is None else self._compiled.given["loss"]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of `compile`, once the first data has decided what 'accuracy' stands for."""
        return [] if self._resolved is None else [*self._resolved.metrics]

    @property
    def metrics_names(self) -> list[str]:
        """`loss`, and `compile_metrics` for all metrics together, as in Keras 3; `History` has their own names."""
        has_metrics = self._compiled is not None and bool(self._compiled.metrics or self._compiled.weighted_metrics)
        return (["loss"] if self.compiled else []) + (["compile_metrics"] if has_metrics else [])

    def get_compile_config(self) -> Config:
        """The arguments of `compile`, ready for JSON; empty before it."""
        return {} if self._compiled is None else self._compiled.get_config()

    def compile_from_config(self, config: Config) -> None:
        """Compiles with what `get_compile_config` returned."""
        self.compile(**_compile_arguments(self.compile, config))

    def reset_metrics(self) -> None:
        """Starts the running means of loss and metrics again."""
        if self._engine is not None and self._resolved is not None:
            self._steps.reset_metrics()

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | list[int] = 1,
    ) -> History:
        """Trains on arrays, or on what gives batches, for a number of epochs.

        Args:
            x: Inputs, one row a sample: a NumPy array, a list, a tensor, a data frame, anything with `__array__` or
                `__dlpack__`. Or what gives batches (x,), (x, y) or (x, y, sample_weight): a generator, a
                `keras.utils.PyDataset`, a loader that can be gone through once an epoch.
            y: Targets, one a sample; not beside what gives batches.
            batch_size: Samples a step. Default 32. Not used where `x` gives batches.
            epochs: The epoch to end before. Default 1.
            verbose: 0 is silent, 1 (also 'auto') a progress bar, 2 one line an epoch.
            callbacks: A list of `keras.callbacks`.
            validation_split: The fraction of the data, from its end, to validate on instead of training. Default 0.
            validation_data: (x, y) or (x, y, sample_weight) to validate on after an epoch, instead of
                `validation_split`; or what gives batches of these.
            shuffle: Whether each epoch sees the samples, or the batches of a `PyDataset`, in a new order. Default True.
                What else gives batches keeps its order.
            class_weight: Weights by class number, of each sample, or of each step where the targets name a class a
                step; a class that is not listed counts 1.
            sample_weight: Weights (N,) by sample, or (N, T) by sample and step.
            initial_epoch: The epoch to begin with. Default 0.
            steps_per_epoch: Batches an epoch; the next epoch goes on where this one ended. Default: all. A generator
                without end needs it. One that ends too early ends the epoch with a warning; as in Keras it then gives
                its first two batches again.
            validation_steps: Batches to validate on. Default: all.
            validation_batch_size: Samples a batch of the validation. Default `batch_size`.
            validation_freq: Validate after every such epoch, or after those listed, counted from 1. Default 1.

        Returns:
            A `History`: `history.history` holds a list with one number an epoch for loss and metrics.

        Raises:
            ValueError: before `compile`; for arrays of different lengths or wrong shapes; for both kinds of weights;
                for `y`, `sample_weight` or `validation_split` beside what gives batches, and for `class_weight` unless
                that is a `PyDataset`.
            TypeError: for data that are no numbers.
        """
        self._assert_compiled()
        verbose = _verbosity(verbose)
        epochs, initial_epoch = integer("fit", epochs=epochs), integer("fit", initial_epoch=initial_epoch)
        validation_split = 0.0 if is_off(validation_split) else real("fit", validation_split=validation_split)
        source = source_of(
            x,
            flag(shuffle=shuffle),
            y=y,
            sample_weight=sample_weight,
            class_weight=class_weight,
            validation_split=None if validation_data is not None else validation_split,
        )
        engine = self._to_train(x if source is None else self._example(source))
        given = source or self._parts(x, y, sample_weight)
        held_out = None
        if validation_data is not None:
            held_out = named(lambda data: self._given(*_data.unpack(data)), validation_data=validation_data)
        elif validation_split and isinstance(given, _data.Parts):
            given, held_out = given.split(validation_split)
        order = self._shuffled if shuffle and shuffle != "batch" else None
        feed = self._feed(engine, given, batch_size, steps_per_epoch, "steps_per_epoch", class_weight, order)
        validation = None
        if held_out is not None:
            _check_frequency(validation_freq)
            validation = self._feed(
                engine,
                held_out,
                batch_size
                if is_off(validation_batch_size)
                else positive_int("fit", validation_batch_size=validation_batch_size),
                validation_steps,
                "validation_steps",
            )
        callbacks = self._listeners(callbacks, verbose, epochs, feed.steps, add_history=True)
        resolved = self._resolved
        assert resolved is not None
        steps = self._steps
        train_step, before_step = steps.train_step, resolved.optimizer.before_step
        begin_hook = callbacks.batch_hook("on_train_batch_begin")
        end_hook = callbacks.batch_hook("on_train_batch_end")

        self.stop_training = False
        logs: Logs = {}
        try:
            # A callback that restores an interrupted training changes it.
            self._initial_epoch = initial_epoch
            callbacks.on_train_begin()
            feed.begin()
            for epoch in range(self._initial_epoch, epochs):
                steps.reset_metrics()
                callbacks.on_epoch_begin(epoch)
                results: list[float] | None = None
                for step, data, rows in feed.epoch():
                    if begin_hook is not None:
                        begin_hook(step)
                    before_step()
                    results = train_step(data.x, data.y, data.sample_weight, rows)
                    if end_hook is not None:
                        end_hook(step, resolved.logs(results))
                    if self.stop_training:
                        break
                epoch_logs = resolved.logs(steps.results() if results is None else results)
                if validation is not None and _is_due(epoch, validation_freq):
                    found = self._evaluate(engine, validation, callbacks)
                    epoch_logs.update({f"val_{name}": value for name, value in found.items()})
                # One dictionary for all callbacks: what they add is in the history.
                logs = dict(sorted(epoch_logs.items()))
                callbacks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            if resolved.optimizer.use_ema:
                engine.finalize()
            callbacks.on_train_end(logs)
        finally:
            callbacks.close()
            feed.close()
            if validation is not None:
                validation.close()
        assert self.history is not None
        return self.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on arrays, or on what gives batches, without training.

        Args:
            x: Inputs, or what gives batches, as for `fit`.
            y: Targets.
            batch_size: Samples a batch. Default 32. The result does not depend on it but for rounding.
            verbose: 0 is silent, 1 (also 'auto') a progress bar, 2 one line.
            sample_weight: Weights (N,) or (N, T).
            steps: Batches to look at. Default: all.
            callbacks: A list of `keras.callbacks`.
            return_dict: Whether to return a dictionary by name. Default False.

        Returns:
            The loss; with metrics the list [loss, *metrics]; or a dictionary.

        Raises:
            ValueError: before `compile`; for arrays of different lengths or wrong shapes.
        """
        self._assert_compiled()
        verbose = _verbosity(verbose)
        return_dict = return_dict if isinstance(return_dict, bool) else flag(return_dict=return_dict)
        source = source_of(x, y=y, sample_weight=sample_weight)
        engine = self._to_read(x if source is None else self._example(source))
        feed = self._feed(engine, source or self._parts(x, y, sample_weight), batch_size, steps, "steps")
        callbacks = self._listeners(callbacks, verbose, 1, feed.steps)
        try:
            logs = self._evaluate(engine, feed, callbacks)
        finally:
            callbacks.close()
            feed.close()
        return logs if return_dict else self._in_order(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for arrays, or for the inputs of what gives batches.

        Args:
            x: Inputs, or what gives batches, as for `fit`.
            batch_size: Samples a batch. Default 32.
            verbose: 0 is silent, 1 (also 'auto') a progress bar, 2 one line.
            steps: Batches to look at. Default: all.
            callbacks: A list of `keras.callbacks`.

        Returns:
            A float32 array with one row a sample; with several outputs a list or dictionary of them.

        Raises:
            ValueError: for a wrong shape.
        """
        verbose = _verbosity(verbose)
        source = source_of(x)
        engine = self._to_read(x if source is None else self._example(source))
        steps = checked_steps(steps, "steps")
        feed: ArrayFeed | BatchFeed
        if source is None:
            data = self._only_inputs(x)
            feed = ArrayFeed(data, samples_a_batch(data.size, batch_size, steps), steps)
            if steps is not None and steps < feed.batches:
                feed = ArrayFeed(data.first(steps * feed.batch), feed.batch, None)
            if verbose == 0 and callbacks is None:
                return self.pack(engine.predict(feed.data.x, feed.batch, None))
        else:
            feed = BatchFeed(source, steps, self._only_inputs)
        callbacks = self._listeners(callbacks, verbose, 1, feed.steps)
        self.stop_predicting = False
        try:
            callbacks.on_predict_begin()
            if isinstance(feed, ArrayFeed) and callbacks.only_progress():
                outputs = engine.predict(feed.data.x, feed.batch, callbacks.batch_hook("on_predict_batch_end"))
            else:
                outputs = self._predict_by_batch(engine, feed, callbacks)
            callbacks.on_predict_end()
        finally:
            callbacks.close()
            feed.close()
        return self.pack(outputs)

    def _predict_by_batch(self, engine: Engine, feed: Feed, callbacks: CallbackList) -> list[Array]:
        """Batch by batch, for what gives batches, and for callbacks that want each batch's outputs or end it all."""
        begin_hook = callbacks.batch_hook("on_predict_batch_begin")
        end_hook = callbacks.batch_hook("on_predict_batch_end")
        parts = []
        for step, data, rows in feed.epoch():
            if begin_hook is not None:
                begin_hook(step)
            inputs = data.x if rows is None else [array[rows] for array in data.x]
            parts.append(engine.predict(inputs, len(inputs[0]), None))
            if end_hook is not None:
                end_hook(step, {"outputs": self.pack(parts[-1])})
            if self.stop_predicting:
                break
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of training on one batch.

        Args:
            x: Inputs.
            y: Targets.
            sample_weight: Weights (N,) or (N, T).
            class_weight: Weights by class number, instead of `sample_weight`.
            return_dict: Whether to return a dictionary by name. Default False.

        Returns:
            The loss on this batch before the step; with metrics the list [loss, *metrics]; or a dictionary.

        Raises:
            ValueError: before `compile`; for arrays of different lengths or wrong shapes.
        """
        self._assert_compiled()
        return_dict = return_dict if isinstance(return_dict, bool) else flag(return_dict=return_dict)
        engine = self._to_train(x)
        data = self._arrays(engine, self._parts(x, y, sample_weight), class_weight)
        assert self._resolved is not None
        self._resolved.optimizer.before_step()
        return self._results(self._steps.train_step(data.x, data.y, data.sample_weight, None, True), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics on one batch; arguments and result as `train_on_batch`."""
        self._assert_compiled()
        return_dict = return_dict if isinstance(return_dict, bool) else flag(return_dict=return_dict)
        engine = self._to_read(x)
        data = self._arrays(engine, self._parts(x, y, sample_weight))
        return self._results(self._steps.test_step(data.x, data.y, data.sample_weight, None, True), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        engine = self._to_read(x)
        return self.pack(engine.predict(self._as_inputs(self._input_parts(x)), _DIRECT_BATCH, None))

    def _evaluate(self, engine: Engine, feed: Feed, callbacks: CallbackList) -> Logs:
        resolved = self._resolved
        assert resolved is not None
        self.stop_evaluating = False
        callbacks.on_test_begin()
        begin_hook = callbacks.batch_hook("on_test_batch_begin")
        end_hook = callbacks.batch_hook("on_test_batch_end")
        alone = callbacks.only_progress() or (begin_hook is None and end_hook is None)
        if isinstance(feed, ArrayFeed) and alone:
            on_batch = None
            if end_hook is not None:
                hook = end_hook

                def on_batch(step: int, results: list[float]) -> None:
                    hook(step, resolved.logs(results))

            data = feed.whole()
            logs = resolved.logs(self._steps.evaluate(data.x, data.y, data.sample_weight, feed.batch, on_batch))
        else:
            logs = self._evaluate_by_batch(feed, begin_hook, end_hook)
        callbacks.on_test_end(logs)
        return logs

    def _evaluate_by_batch(self, feed: Feed, begin_hook: Any, end_hook: Any) -> Logs:
        """Batch by batch, for what gives batches, and for callbacks that listen before a batch or end it all."""
        resolved = self._resolved
        assert resolved is not None
        steps = self._steps
        feed.begin()
        steps.reset_metrics()
        for step, data, rows in feed.epoch():
            if begin_hook is not None:
                begin_hook(step)
            results = steps.test_step(data.x, data.y, data.sample_weight, rows)
            if end_hook is not None:
                end_hook(step, resolved.logs(results))
            if self.stop_evaluating:
                break
        return resolved.logs(steps.results())

    @property
    def _steps(self) -> Steps:
        """What takes the steps, once the engine is compiled."""
        assert self._resolved is not None
        assert self._engine is not None
        return self._resolved.own_steps or self._engine

    def _listeners(
        self, callbacks: Any, verbose: int | str, epochs: int, steps: int | None, add_history: bool = False
    ) -> CallbackList:
        """The callbacks of a call with what shows its progress; a list that is one already stays as it is."""
        # Loaded here: see `compile`.
        from lstm_rs.keras.callbacks import CallbackList

        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks,
            add_history=add_history,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )

    def _assert_compiled(self) -> None:
        if not self.compiled:
            raise ValueError(
                f"Model '{self.name}' is not compiled. Call `model.compile(optimizer, loss, metrics)` before training "
                "or evaluating it."
            )

    def _example(self, source: Source) -> Any:
        """The inputs of a first batch, for a model that is to be built for them."""
        return None if self._engine is not None else _data.unpack_batch(source.first())[0]

    def _given(self, x: Any, y: Any, sample_weight: Any) -> Source | _data.Parts:
        """What gives batches, or the data of each input and output."""
        return source_of(x, y=y, sample_weight=sample_weight) or self._parts(x, y, sample_weight)

    def _feed(
        self,
        engine: Engine,
        given: Source | _data.Parts,
        batch_size: int | None,
        steps: int | None,
        argument: str,
        class_weight: Mapping[int, float] | None = None,
        order: Callable[[int], Rows] | None = None,
    ) -> Feed:
        """The batches of what was given; at the first data, the engine is compiled for them."""
        steps = checked_steps(steps, argument)
        if not isinstance(given, Source):
            data = self._arrays(engine, given, class_weight)
            return ArrayFeed(data, samples_a_batch(data.size, batch_size, steps), steps, order)

        def convert(x: Any, y: Any, sample_weight: Any) -> Arrays:
            if y is None:
                raise ValueError("`x` gives batches without targets: they must be (x, y) or (x, y, sample_weight).")
            return self._arrays(engine, self._parts(x, y, sample_weight), class_weight)

        if self._resolved is None:
            convert(*_data.unpack_batch(given.first()))
        return BatchFeed(given, steps, convert)

    def _shuffled(self, size: int) -> Rows:
        """A new order of all rows, from a counter-based generator: the same for a seed, whatever was drawn before."""
        key = np.array([self._seed, self._epochs_shuffled], dtype=np.uint64)
        self._epochs_shuffled += 1
        return np.random.Generator(np.random.Philox(key=key)).permutation(size).astype(np.int64, copy=False)

    def _only_inputs(self, x: Any, *_: Any) -> Arrays:
        """The inputs of a prediction; targets and weights of a batch do not count."""
        return Arrays(self._as_inputs(self._input_parts(x)), [], [])

    def _input_parts(self, x: Any) -> list[Any]:
        """The data of each input."""
        return _data.parts(x, [spec.name for spec in self._inputs], "x")

    def _parts(self, x: Any, y: Any, sample_weight: Any) -> _data.Parts:
        """The data of each input and output; one array of weights counts for every output."""
        outputs = [spec.name for spec in self._outputs]
        if len(outputs) > 1 and not isinstance(sample_weight, (Mapping, list, tuple)):
            weights = [sample_weight] * len(outputs)
        else:
            weights = _data.parts(sample_weight, outputs, "sample_weight")
        return _data.Parts(self._input_parts(x), _data.parts(y, outputs, "y"), weights)

    def _as_inputs(self, x: list[Any]) -> list[Values]:
        inputs = [
            _data.as_input(part, spec.dtype, spec.shape, spec.reader)
            for part, spec in zip(x, self._inputs, strict=True)
        ]
        if len(inputs[0]) == 0:
            raise ValueError("`x` holds no samples.")
        return inputs

    def _arrays(self, engine: Engine, given: _data.Parts, class_weight: Mapping[int, float] | None = None) -> Arrays:
        """Everything converted and checked; at the first data, the engine is compiled for them."""
        inputs = self._as_inputs(given.x)
        outputs = self._outputs
        resolved = self._resolved or self._resolve([_data.as_array(y, "y").shape for y in given.y])
        targets = [
            loss.as_target(y, output.shape, resolved.skip_nan)
            for y, output, loss in zip(given.y, outputs, resolved.losses, strict=True)
        ]
        weights = [None if weights is None else _data.as_weights(weights) for weights in given.sample_weight]
        if class_weight is not None:
            if len(outputs) > 1:
                raise ValueError("`class_weight` is for models of one output: give each its `sample_weight`.")
            if weights[0] is not None:
                raise ValueError("`class_weight` and `sample_weight` cannot be given at the same time.")
            sparse = resolved.losses[0].sparse or targets[0].ndim < len(outputs[0].shape)
            weights = [_data.class_weights(targets[0], sparse, class_weight)]
        _data.check_lengths(inputs, targets, weights)
        if self._resolved is None:
            self._compile_engine(engine, resolved)
        return Arrays(inputs, targets, weights)

    def _resolve(self, targets: list[tuple[int, ...]]) -> Resolved:
        assert self._compiled is not None
        if self._compiled.loss is None:
            raise ValueError("There is no loss to compute. Call `model.compile` with a `loss`.")
        return self._compiled.resolve(targets, self._outputs)

    def _compile_engine(self, engine: Engine, resolved: Resolved) -> None:
        engine.compile(resolved.spec(engine))
        if self._state_to_restore is not None:
            self._state_to_restore.given_to(engine)
            self._state_to_restore = None
        resolved.attach(engine)
        self._resolved = resolved

    def _optimizer_state(self) -> OptimizerState | None:
        """What the optimizer has gathered; None before it has anything."""
        if self._engine is None or self._resolved is None:
            return self._state_to_restore
        return OptimizerState.of(self._engine)

    def _restore_optimizer(self, state: OptimizerState) -> None:
        """Gives the optimizer a state from elsewhere, at once or as soon as the engine is compiled."""
        assert self._engine is not None
        assert self._compiled is not None
        if self._resolved is not None:
            state.given_to(self._engine)
        else:
            self._state_to_restore = state
            self._compiled.optimizer.starts_at(state.iterations)

    def _results(self, results: list[float], return_dict: bool) -> Any:
        assert self._resolved is not None
        if return_dict:
            return self._resolved.logs(results)
        values = self._resolved.values(results)
        return values if len(values) > 1 else values[0]

    def _in_order(self, logs: Mapping[str, Any]) -> Any:
        assert self._resolved is not None
        results = [logs[name] for name in self._resolved.names]
        return results if len(results) > 1 else results[0]


def _check_frequency(frequency: Any) -> None:
    some = frequency >= 1 if isinstance(frequency, int) else isinstance(frequency, (list, tuple, set)) and frequency
    if not some:
        raise ValueError(
            f"`validation_freq` must be a positive integer or a list of epochs. Received: validation_freq={frequency!r}"
        )


def _compile_arguments(compile: Callable[..., None], config: Config) -> Config:
    """What `get_compile_config` returned; it must hold arguments of the model's `compile` alone."""
    config = dictionary("compile_from_config", config=config)
    known = inspect.signature(compile).parameters
    strange = [name for name in config if name not in known]
    if strange and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        raise ValueError(f"`config` names {strange}, which are no arguments of `compile`.")
    return config


def _verbosity(verbose: Any) -> int | str:
    """The argument `verbose`: an integer, of whatever kind of number, or 'auto'."""
    if isinstance(verbose, int) or (isinstance(verbose, str) and verbose == "auto"):
        return verbose
    with contextlib.suppress(OverflowError, ValueError):
        given = int(number("Model", verbose=verbose))
        if given == verbose:
            return given
    raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")


def _is_due(epoch: int, frequency: Any) -> bool:
    return bool((epoch + 1) % frequency == 0) if isinstance(frequency, int) else (epoch + 1) in frequency
