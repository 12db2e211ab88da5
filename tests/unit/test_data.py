"""What `x`, `y` and the weights may be: anything that hands itself out as an array, with errors that say what to do."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

X = np.arange(24, dtype=np.float32).reshape(8, 3) / 24
Y = X.sum(axis=1, keepdims=True)


class Column:
    """Something of another library that has `__array__`."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values if dtype is None else self.values.astype(dtype)

    def __iter__(self) -> Any:
        return iter(self.values)


class Capsule:
    """Something of another library that has only `__dlpack__`."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class Frame(Column):
    """A data frame with columns of different types."""

    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        super().__init__(np.array([column.astype(object) for column in columns.values()]).T)
        self.columns = list(columns)
        self._columns = columns

    def __getitem__(self, name: str) -> np.ndarray:
        return self._columns[name]


def make() -> Any:
    """A dense layer that always begins with the same weights."""
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(1, name="sum")])
    model.set_weights([np.full((3, 1), 0.1), np.zeros(1)])
    model.compile("sgd", "mse")
    return model


def results(x: Any, y: Any, weights: Any = None) -> list[Any]:
    """Everything that data go into."""
    model = make()
    fitted = model.fit(x, y, epochs=2, batch_size=4, validation_split=0.25, shuffle=False, verbose=0).history
    return [
        fitted["loss"],
        fitted["val_loss"],
        model.train_on_batch(x, y, sample_weight=weights),
        model.evaluate(x, y, sample_weight=weights, verbose=0),
        model.predict(x, verbose=0).tolist(),
    ]


@pytest.mark.parametrize("kind", [Column, Capsule, np.ndarray.tolist, lambda a: [a], lambda a: [Column(a)]])
def test_array_likes(kind: Any) -> None:
    """They give what arrays give."""
    assert results(kind(X), kind(Y), kind(Y[:, 0])) == results(X, Y, Y[:, 0])


def test_no_copy_where_there_need_be_none() -> None:
    """The engine reads the memory of the other library."""
    from lstm_rs.keras import _data

    for kind in (Column, Capsule):
        assert np.shares_memory(_data.as_floats(kind(X), "x"), X)


def test_frame_of_flags_and_numbers() -> None:
    """Columns without a type in common are joined as numbers."""
    flags = np.arange(8) % 2 == 0
    frame = Frame({"a": X[:, 0], "flag": flags, "c": X[:, 2]})
    assert results(frame, Y) == results(np.column_stack([X[:, 0], flags, X[:, 2]]), Y)


def test_rows_of_arrays() -> None:
    """Columns of lists are arrays of arrays; of one length they become one."""
    rows = np.empty(8, dtype=object)
    rows[:] = list(X)
    assert results(rows, Y) == results(X, Y)
    rows[3] = X[3, :2]
    with pytest.raises(ValueError, match="`x` cannot become one array: its rows differ in length"):
        make().predict(rows, verbose=0)


def test_dictionaries_by_name() -> None:
    """Targets and weights by the output's name, of any kind of array."""
    assert results(X, {"sum": Column(Y)}, {"sum": Column(Y[:, 0])}) == results(X, Y, Y[:, 0])


class RaggedTensor:
    """Named as TensorFlow's."""


class LazyFrame:
    """Named as that of polars."""


class Sparse:
    """Has what SciPy's matrices have."""

    def toarray(self) -> None:
        """Never called."""

    tocoo = toarray


class OnDevice:
    """A tensor that NumPy cannot read."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("it lies on cuda:0")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            Frame({"a": X[:, 0], "word": np.array(["x"] * 8)}),
            TypeError,
            r"`x` must hold numbers: the columns \['word'\]",
        ),
        (np.array(["a", "b"]), TypeError, "`x` must hold numbers.*Give words"),
        (RaggedTensor(), TypeError, r"`x` is a RaggedTensor: pass an array, `x.to_tensor\(\)`"),
        (LazyFrame(), TypeError, r"`x` is a LazyFrame: pass an array, `x.collect\(\)`"),
        (Sparse(), TypeError, r"`x` is a Sparse: pass an array, `x.toarray\(\)`"),
        (OnDevice(), TypeError, "`x` cannot become a NumPy array: it lies on cuda:0"),
        ([[1.0, 2.0], [3.0]], ValueError, "`x` cannot become one array: its rows differ"),
        (object(), TypeError, "`x` must hold numbers"),
    ],
)
def test_refusals(data: Any, error: type[Exception], message: str) -> None:
    """The argument's name and what to do."""
    with pytest.raises(error, match=message):
        make().predict(data, verbose=0)


def test_batches_where_an_array_is_wanted() -> None:
    """A generator is no batch."""
    with pytest.raises(ValueError, match=r"`x` must be an array here. Received: generator.*`fit`"):
        make().train_on_batch((x for x in [X]), Y)


def test_pandas() -> None:
    """Frames and columns, also of types that hold missing values."""
    pandas = pytest.importorskip("pandas")
    frame, target = pandas.DataFrame(X, columns=list("abc")), pandas.Series(Y[:, 0])
    expected = results(X, Y, Y[:, 0])
    assert results(frame, target, target) == expected
    assert results(frame.astype({"a": "Float32"}), target.to_frame(), target) == expected
    assert results(frame.assign(flag=True)[["flag", "b", "c"]], target) == results(
        np.column_stack([np.ones(8, np.float32), X[:, 1:]]), Y
    )
    with pytest.raises(TypeError, match=r"the columns \['a'\] do not"):
        make().predict(frame.assign(a="word"), verbose=0)


def test_polars() -> None:
    """Frames and columns."""
    polars = pytest.importorskip("polars")
    frame, target = polars.DataFrame(X, schema=list("abc")), polars.Series(Y[:, 0])
    expected = results(X, Y, Y[:, 0])
    assert results(frame, target, target) == expected
    assert results(polars.Series(X.tolist()), target, target) == expected
    with pytest.raises(TypeError, match=r"the columns \['a'\] do not"):
        make().predict(frame.with_columns(a=polars.lit("word")), verbose=0)
    with pytest.raises(TypeError, match="collect"):
        make().predict(frame.lazy(), verbose=0)


def test_pyarrow() -> None:
    """Tables, arrays, columns."""
    pyarrow = pytest.importorskip("pyarrow")
    table, target = pyarrow.table({name: X[:, i] for i, name in enumerate("abc")}), pyarrow.array(Y[:, 0])
    expected = results(X, Y, Y[:, 0])
    assert results(table, target, pyarrow.chunked_array([target])) == expected
    assert results(pyarrow.array(X.tolist()), target, target) == expected
    with pytest.raises(TypeError, match=r"the columns \['a'\] do not"):
        make().predict(table.set_column(0, "a", pyarrow.array(["word"] * 8)), verbose=0)


def test_torch() -> None:
    """Tensors on the CPU, read where they lie, and loaders of them."""
    torch = pytest.importorskip("torch")
    from lstm_rs.keras import _data

    x, y = torch.from_numpy(X.copy()), torch.from_numpy(Y.copy())
    assert results(x, y, y[:, 0]) == results(X, Y, Y[:, 0])
    assert _data.as_floats(x, "x").ctypes.data == x.data_ptr()
    with pytest.raises(TypeError, match=r"`x` cannot become a NumPy array: .*grad"):
        make().predict(x.requires_grad_(), verbose=0)
    pairs = torch.utils.data.TensorDataset(x.detach(), y)
    ours, plain = make(), make()
    loaded = ours.fit(torch.utils.data.DataLoader(pairs, batch_size=3), epochs=2, verbose=0).history
    assert loaded == plain.fit(X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0).history
