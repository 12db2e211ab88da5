"""`timeseries_dataset_from_array`: windows, targets, orders."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

windows_of = tf.keras.utils.timeseries_dataset_from_array
SERIES = np.arange(40, dtype=np.float64).reshape(20, 2)


def test_the_windows_of_the_definition() -> None:
    """Each window step by step, for all kinds of distances."""
    for length, stride, rate, start, end in [(3, 1, 1, 0, 20), (4, 3, 2, 2, 19), (1, 1, 1, 5, 6), (5, 2, 4, 0, 20)]:
        bounds = {"start_index": start or None, "end_index": None if end == 20 else end}
        dataset = windows_of(SERIES, SERIES[:, 0], length, stride, rate, batch_size=4, **bounds)
        batches = list(dataset)
        x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        starts = [i for i in range(start, end, stride) if i + (length - 1) * rate < end]
        np.testing.assert_array_equal(x, [[SERIES[i + rate * t] for t in range(length)] for i in starts])
        np.testing.assert_array_equal(y, SERIES[starts, 0])
        assert len(batches) == len(dataset) == -(-len(starts) // 4)
        assert x.dtype == np.float64


def test_without_targets_or_batches() -> None:
    """Only inputs; single windows; a series that is too short."""
    assert windows_of(SERIES, None, 5, batch_size=7)[0].shape == (7, 5, 2)
    window, target = windows_of(SERIES, SERIES, 5, batch_size=None)[3]
    assert window.shape == (5, 2)
    np.testing.assert_array_equal(target, SERIES[3])
    assert list(windows_of(SERIES, None, 30)) == []
    with pytest.raises(IndexError, match="There are 3 batches"):
        windows_of(SERIES, None, 5, batch_size=7)[3]


def test_shuffled() -> None:
    """Every window once with its target, another order after each epoch, the same orders for a seed."""

    def orders(seed: int) -> list[list[float]]:
        dataset = windows_of(SERIES, SERIES[:, 0], 3, batch_size=5, shuffle=True, seed=seed)
        passes = []
        for _ in range(2):
            x, y = (np.concatenate(parts) for parts in zip(*dataset, strict=True))
            np.testing.assert_array_equal(x[:, 0, 0], y)
            passes.append(y.tolist())
            dataset.on_epoch_end()
        return passes

    first, second = orders(1)
    assert first != second
    assert sorted(first) == sorted(second) == SERIES[:18, 0].tolist()
    assert orders(1) == [first, second]
    assert orders(2) != [first, second]


def test_fit_keeps_the_order() -> None:
    """`fit` shuffles no batches of it, as Keras does not."""
    model = tf.keras.Sequential([tf.keras.Input((None, 2)), tf.keras.layers.LSTM(3), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    weights = model.get_weights()
    series = SERIES / 40
    dataset = windows_of(series[:-3], series[3:, 0], 3, batch_size=4)
    history = model.fit(dataset, epochs=2, validation_data=dataset, verbose=0).history
    model.set_weights(weights)
    x, y = (np.concatenate(parts) for parts in zip(*dataset, strict=True))
    again = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, validation_data=(x, y), verbose=0).history
    for name, values in again.items():
        assert history[name] == pytest.approx(values, rel=1e-6), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_length": 0}, "`sequence_length` must be a positive integer"),
        ({"sequence_stride": 0}, "`sequence_stride` must be a positive integer"),
        ({"sequence_stride": 20}, "`sequence_stride` must be lower than the length of `data`"),
        ({"sampling_rate": 20}, "`sampling_rate` must be lower"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"start_index": -1}, "`start_index` must lie in"),
        ({"start_index": 20}, "`start_index` must lie in"),
        ({"start_index": 5, "end_index": 5}, "`end_index` must lie behind start_index=5"),
        ({"end_index": 20}, "before 20"),
        ({"format": "torch"}, "`format` must be 'tf' or 'grain'"),
        ({"targets": SERIES[:10], "start_index": 4}, "`targets` has 6 entries from start_index=4"),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    """A number out of its range is named."""
    with pytest.raises(ValueError, match=message):
        windows_of(**{"data": SERIES, "targets": None, "sequence_length": 3, **arguments})
