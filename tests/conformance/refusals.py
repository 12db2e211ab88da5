"""Gives every argument of every public name wrong values, in lstm_rs and in real Keras.

    python tests/conformance/refusals.py            every name
    python tests/conformance/refusals.py LSTM       the names with this in their path

Each value takes the place of the right one in the observation of `of_*.py`, which constructs, calls and trains, so that
late refusals count. Keras is asked where lstm_rs takes the value, which lasts a quarter of an hour. Printed are the
values that Keras refuses and lstm_rs takes, and refusals of lstm_rs that are not a ValueError or TypeError with the
argument's name; `TAKEN` and `NAMELESS` say why where that is meant.
"""

import math
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS)] if str(TESTS) not in sys.path else []

# Their import fills TRIALS.
from conformance import of_layers, of_models, of_training, of_values  # noqa: E402, F401
from conformance.signatures import Signature, signatures  # noqa: E402
from conformance.trial import TRIALS, Together, arguments, undisturbed  # noqa: E402
from conformance.values import VALUES  # noqa: E402

WRONG: dict[str, Any] = {
    "an object": object(),
    "text": "nonsense",
    "None": None,
    "-1": -1,
    "0": 0,
    "2.5": 2.5,
    "10**30": 10**30,
    "NaN": math.nan,
    "infinity": math.inf,
    "no items": (),
    "three items": [1, 2, 3],
    "texts": ["nonsense", "more"],
    "a dictionary": {"nonsense": 1},
    "five axes": np.ones((2, 1, 3, 1, 2), np.float32),
    "seven rows": np.ones((7, 7), np.float32),
}
SECONDS = 10
"""After so long a value counts as taken."""

TAKEN: dict[str, str] = {
    "layers.*.get_initial_state.batch_size=None": "states of one sequence, from which a single one starts",
    "layers.*.call.inputs=three items": "a list of numbers is an array of one axis",
    "layers.Input.tensor=0": "says as little as None",
    "layers.Bidirectional.weights=*": "nothing is done with them, as in Keras: an array is a list of rows",
    "models.Model.compile.loss_weights=*": "an integer is a number",
    "models.Model.jit_compile=.value=*": "it changes nothing",
    "optimizers.*.learning_rate=*": "an integer is a number",
    "optimizers.SGD.momentum=0": "an integer is a number",
    "optimizers.schedules.*.initial_learning_rate=*": "an integer is a number",
    "optimizers.schedules.*.name=None": "the name of the class",
    "callbacks.CallbackList.model=*": "nothing is done with it before a training",
    "callbacks.*.mode=*": "warned of, as every unknown mode is",
    "callbacks.ModelCheckpoint.monitor=text": "it is looked at where `save_best_only` needs it",
    "layers.LSTM*.bias_initializer=None": "as for every other weight, where Keras' LSTM fails to call it",
    "regularizers.OrthogonalRegularizer.factor=0": "an integer is a number",
    "losses.*.axis=no items": "nothing is summed, and each number compared by itself",
    "*.y_pred=three items": "integers are numbers",
    "utils.pad_sequences.sequences=no items": "none give an array of none",
    "utils.pad_sequences.maxlen=0": "nothing is left of each",
    "utils.normalize.*": "of integers, and along any axis, as the documentation has it; Keras fails on TensorFlow",
    "utils.timeseries_dataset_from_array.targets=no items": "there is no window then",
    "utils.timeseries_dataset_from_array.seed=three items": "NumPy's generator takes several integers",
    "*=10**30": "a float holds it, where TensorFlow makes an integer of it that is too large",
}
"""Why lstm_rs takes a value that Keras refuses, by the pattern of `path.argument=value`; the first match counts."""

NAMELESS: dict[str, str] = {
    "layers.*.call.sequence*": "what a layer is called on is `inputs`, whatever the layer",
    "layers.*Cell*.call.inputs=*": "it is as good a shape as any, and then the states do not fit",
    "layers.*.call.inputs=*": "the message has the shape that came and the one expected",
    "models.*.call.inputs=*": "what a model computes is `x`, as in `predict`",
    "models.Sequential.compute_output_shape.input_shape=*": "the layer that it does not fit is named",
    "models.Model.fit.validation_data=*": "its parts are `x` and `y`",
    "*.filepath=*": "the observation itself asks an array whether it is true",
    "*.get.identifier=*": "a dictionary is a `config`, and of None the observation asks for the configuration",
    "layers.InputLayer.input_tensor=*": "without a tensor, what is missing is a `shape`",
    "layers.*.lora_alpha=*": "refused for what it belongs to, `lora_rank`",
    "layers.*.renorm_*=*": "refused for what it belongs to, `renorm`",
    "callbacks.TensorBoard.*=*": "refused for what it belongs to, `histogram_freq` or `embeddings_freq`",
    "losses.Loss.*=*": "a loss of one's own needs a gradient, which the observation's lacks",
    "losses.*.y_*=*": "what is compared is `y`, and its shape is told",
    "metrics.*.y_*=*": "what is compared is `y`, and its shape is told",
    "utils.normalize.order=10**30": "NumPy's own refusal of an integer that no float32 is made of",
    "utils.to_categorical.x=-1": "an IndexError, as in Keras",
}
"""Why the message of a refusal does not have the argument's name, likewise."""


class Slow(BaseException):
    """Neither taken nor refused in time."""


@dataclass(frozen=True)
class Try:
    """A wrong value for an argument of a name."""

    signature: Signature
    argument: str
    told: str
    value: Any

    def __str__(self) -> str:
        return f"{self.signature.key}.{self.argument}={self.told}"

    def refusal(self, keras: Any) -> Exception | None:
        """What a library says to it; None where it takes it."""
        trial = TRIALS[self.signature.key]
        right = trial.values.get(self.argument, VALUES.get(self.argument))
        # What the argument needs beside it to count.
        beside = right if isinstance(right, Together) else {}
        given = Together({**beside, self.argument: self.value})
        signal.signal(signal.SIGALRM, _too_slow)
        try:
            signal.alarm(SECONDS)
            with undisturbed():
                keras.utils.set_random_seed(1)
                keras.backend.clear_session()
                trial.observe(keras, **arguments(keras, trial, self.argument, given))
        except Slow:
            return None
        except Exception as error:
            return error
        finally:
            signal.alarm(0)
        return None


def _too_slow(*_: Any) -> None:
    raise Slow


def tries(ours: Any, keras: Any, wanted: str = "") -> Iterator[Try]:
    """Every wrong value of every argument that both have, and an argument that neither has."""
    for signature in signatures():
        if wanted in signature.key and signature.found(keras) and signature.found(ours):
            for argument in signature.arguments:
                for told, value in WRONG.items():
                    yield Try(signature, argument, told, value)
            if signature.arguments:
                yield Try(signature, "nonsense", "1", 1)


def complaint(a_try: Try, ours: Exception | None, keras: Exception | None) -> str | None:
    """What is to be mended in what lstm_rs says."""
    if ours is None:
        return None if keras is None else f"{a_try}: taken; Keras: {_told(keras)}"
    if isinstance(ours, ValueError | TypeError | NotImplementedError) and a_try.argument in str(ours):
        return None
    return f"{a_try}: {_told(ours)}"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def excused(a_try: Try, ours: Exception | None, used: set[str]) -> bool:
    """Whether a reason is noted; notes its pattern as used."""
    reasons: Mapping[str, str] = TAKEN if ours is None else NAMELESS
    found = next((pattern for pattern in reasons if fnmatchcase(str(a_try), pattern)), None)
    used.update({found} if found else ())
    return found is not None


def main() -> None:
    """Prints what is to be mended; fails if that is anything."""
    import lstm_rs
    import tensorflow
    from real_keras import real_keras

    tensorflow.config.run_functions_eagerly(True)
    ours, keras = lstm_rs.keras, real_keras()
    used: set[str] = set()
    count, refused, complaints = 0, 0, 0
    for a_try in tries(ours, keras, sys.argv[1] if len(sys.argv) > 1 else ""):
        said = a_try.refusal(ours)
        count, refused = count + 1, refused + (said is not None)
        told = complaint(a_try, said, a_try.refusal(keras) if said is None else None)
        if told and not excused(a_try, said, used):
            complaints += 1
            print(told, flush=True)
    print(f"{count} wrong values: lstm_rs refuses {refused}; {complaints} are to be mended.")
    if len(sys.argv) == 1:
        for pattern in sorted({*TAKEN, *NAMELESS} - used):
            complaints += 1
            print(f"no value needs the reason of {pattern}")
    sys.exit(complaints > 0)


if __name__ == "__main__":
    main()
