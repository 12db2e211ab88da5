//! The class `Stream`; `_lstm_rs.pyi` documents it.

use std::sync::{Mutex, PoisonError};

use lstm_core::network;
use ndarray::{ArrayD, ArrayViewD};
use numpy::{PyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::arrays::{Array, FEW, Floats, to_python};
use crate::engine::Engine;

/// Sequences on their way through an engine's network.
#[pyclass(frozen, module = "lstm_rs._lstm_rs")]
pub(crate) struct Stream {
    engine: Py<Engine>,
    /// Whether a step takes ids.
    ids: bool,
    batch_size: usize,
    /// Locked without the GIL only.
    stream: Mutex<network::Stream>,
}

impl Stream {
    pub(crate) fn new(engine: Py<Engine>, ids: bool, stream: network::Stream) -> Self {
        Stream { engine, ids, batch_size: stream.batch(), stream: Mutex::new(stream) }
    }
}

#[pymethods]
impl Stream {
    #[pyo3(signature = (x, /))]
    fn step<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let x = match x.extract::<Array<'_>>() {
            Ok(x) if !self.ids || !matches!(x, Array::F32(_)) => x,
            _ => converted(x, self.ids)?,
        };
        let data = x.data();
        let y = self.engine.get().read(py, |model| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            let (sizes, values) = model.network().step(&mut stream, &data)?;
            Ok(ArrayD::from_shape_vec(sizes, values.to_vec()).expect("an output is as long as its sizes say"))
        })?;
        Ok(if y.len() <= FEW { PyArrayDyn::from_array(py, &y) } else { PyArrayDyn::from_owned_array(py, y) })
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.engine.get().read(py, |model| {
            Ok(model.network().reset(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))?)
        })
    }

    fn get_states<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyArrayDyn<f32>>>> {
        let states = self.engine.get().read(py, |model| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            let states = model.network().states(&mut stream)?.into_iter().map(|state| {
                let sizes = vec![self.batch_size, state.len() / self.batch_size];
                ArrayD::from_shape_vec(sizes, state.to_vec()).expect("a state is as long as its sizes say")
            });
            Ok(states.collect::<Vec<_>>())
        })?;
        Ok(to_python(py, states))
    }

    #[pyo3(signature = (states, /))]
    fn set_states(&self, py: Python<'_>, states: Vec<Floats<'_>>) -> PyResult<()> {
        let states: Vec<ArrayViewD<'_, f32>> = states.iter().map(Floats::view).collect();
        self.engine.get().read(py, |model| {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(model.network().set_states(&mut stream, &states)?)
        })
    }

    #[getter]
    fn batch_size(&self) -> usize {
        self.batch_size
    }
}

/// The array as NumPy converts it to floats or ids.
fn converted<'py>(x: &Bound<'py, PyAny>, ids: bool) -> PyResult<Array<'py>> {
    let Ok(array) = x.cast::<PyUntypedArray>() else {
        let what = x.get_type();
        return Err(PyTypeError::new_err(format!("step takes a NumPy array, not {what}")));
    };
    let dtype = array.dtype();
    let kind: String = dtype.getattr("kind")?.extract()?;
    if !matches!(kind.as_str(), "b" | "i" | "u" | "f") {
        return Err(PyTypeError::new_err(format!("step takes an array of numbers, not of dtype {dtype}")));
    }
    if ids && kind == "f" {
        // A NaN or an infinity has no id: adding an integer's range would hide it.
        let finite = x.py().import("numpy")?.call_method1("isfinite", (x,))?.call_method0("all")?;
        if !finite.is_truthy()? {
            return Err(pyo3::exceptions::PyValueError::new_err("step takes ids, and NaN and infinity are none"));
        }
    }
    x.call_method1("astype", (if ids { "int64" } else { "float32" },))?.extract()
}
