//! The module's functions; `_lstm_rs.pyi` documents them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use lstm_core::kernels::peak::multiply_adds;
use lstm_core::layers::{self, Constraint, Initializer, Regularizer};
use lstm_core::simd::Isa;
use lstm_core::training::{self, Serialised};
use lstm_core::{Error, formats, parallel};
use ndarray::{ArrayD, IxDyn};
use numpy::PyArrayDyn;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{Array, Floats};
use crate::compute::compute;
use crate::errors::Failure;

/// More threads than this are a mistake, and take the system minutes to make.
const MOST_THREADS: usize = 1024;

#[pyfunction]
pub(crate) fn isa() -> &'static str {
    Isa::active().name()
}

#[pyfunction]
pub(crate) fn has_bfloat16() -> bool {
    Isa::active().with_tiles().tiles().is_some()
}

#[pyfunction]
pub(crate) fn available_isas() -> Vec<&'static str> {
    Isa::available().into_iter().map(Isa::name).collect()
}

#[pyfunction]
pub(crate) fn num_threads() -> usize {
    parallel::num_threads()
}

#[pyfunction]
pub(crate) fn set_num_threads(py: Python<'_>, count: usize) -> PyResult<()> {
    if count > MOST_THREADS {
        return Err(PyValueError::new_err(format!("{count} threads are too many; at most {MOST_THREADS}")));
    }
    py.detach(|| parallel::set_num_threads(count));
    Ok(())
}

#[pyfunction]
pub(crate) fn fma_peak(py: Python<'_>, seconds: f64, threads: usize) -> PyResult<f64> {
    if !(0.0..=60.0).contains(&seconds) || threads == 0 || threads > MOST_THREADS {
        return Err(PyValueError::new_err(format!("no figure can be had of {seconds} s on {threads} threads")));
    }
    let time = Duration::from_secs_f64(seconds);
    compute(py, || {
        let rates = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| multiply_adds(Isa::active(), time))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum::<f64>()
        });
        Ok(rates / 1e9)
    })
}

#[pyfunction]
pub(crate) fn activation_names() -> Vec<&'static str> {
    layers::activation_names()
}

#[pyfunction]
pub(crate) fn activate<'py>(py: Python<'py>, name: &str, x: Floats<'py>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let x = x.view();
    let y = compute(py, || {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        from.try_reserve_exact(x.len()).map_err(Error::from)?;
        to.try_reserve_exact(x.len()).map_err(Error::from)?;
        from.extend(x.iter().copied());
        to.resize(x.len(), 0.0);
        layers::activate(name, &from, &mut to, x.shape().last().copied().unwrap_or(1))?;
        Ok(ArrayD::from_shape_vec(x.raw_dim(), to).expect("as many results as elements"))
    })?;
    Ok(PyArrayDyn::from_owned_array(py, y))
}

#[pyfunction]
pub(crate) fn initialize<'py>(
    py: Python<'py>,
    initializer: &str,
    shape: Vec<usize>,
    seed: u64,
    stream: u64,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let values = compute(py, || {
        let initializer: Initializer = serde_json::from_str(initializer)
            .map_err(|source| Error::Config { place: "initializer".to_owned(), source })?;
        let len = layers::checked_len("initializer", &shape)?;
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(Error::from)?;
        values.resize(len, 0.0);
        initializer.fill(&shape, seed, stream, &mut values)?;
        Ok(ArrayD::from_shape_vec(IxDyn(&shape), values).expect("as many values as the shape says"))
    })?;
    Ok(PyArrayDyn::from_owned_array(py, values))
}

#[pyfunction]
pub(crate) fn regularizer_value(py: Python<'_>, regularizer: &str, x: Floats<'_>) -> PyResult<f64> {
    let x = x.view();
    compute(py, || {
        let regularizer = Regularizer::from_json(regularizer)?;
        regularizer.check("regularizer", "the array", x.ndim())?;
        Ok(regularizer.value(&x))
    })
}

#[pyfunction]
pub(crate) fn constrained<'py>(
    py: Python<'py>,
    constraint: &str,
    w: Floats<'py>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let w = w.view();
    let allowed = compute(py, || {
        let constraint = Constraint::from_json(constraint)?;
        constraint.check("constraint", "the array", w.shape())?;
        let mut allowed = w.to_owned();
        constraint.apply(&mut allowed.view_mut());
        Ok(allowed)
    })?;
    Ok(PyArrayDyn::from_owned_array(py, allowed))
}

#[pyfunction]
pub(crate) fn loss_value(
    py: Python<'_>,
    loss: &str,
    y_true: Array<'_>,
    y_pred: Floats<'_>,
    sample_weight: Option<Floats<'_>>,
) -> PyResult<f64> {
    let (y_true, y_pred) = (y_true.data(), y_pred.view());
    let weights = sample_weight.as_ref().map(Floats::view);
    compute(py, || {
        let loss = Serialised::from_json("loss", loss)?;
        Ok(training::loss_value(&loss, &y_true, &y_pred, weights.as_ref())?)
    })
}

#[pyfunction]
pub(crate) fn loss_values<'py>(
    py: Python<'py>,
    loss: &str,
    y_true: Array<'_>,
    y_pred: Floats<'_>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let (y_true, y_pred) = (y_true.data(), y_pred.view());
    let values = compute(py, || {
        let loss = Serialised::from_json("loss", loss)?;
        Ok(training::loss_values(&loss, &y_true, &y_pred)?)
    })?;
    Ok(PyArrayDyn::from_owned_array(py, ndarray::Array1::from_vec(values).into_dyn()))
}

#[pyfunction]
pub(crate) fn loss_gradient<'py>(
    py: Python<'py>,
    loss: &str,
    y_true: Array<'_>,
    y_pred: Floats<'_>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let (y_true, y_pred) = (y_true.data(), y_pred.view());
    let gradient = compute(py, || {
        let loss = Serialised::from_json("loss", loss)?;
        let gradient = training::loss_gradient(&loss, &y_true, &y_pred)?;
        Ok(ArrayD::from_shape_vec(y_pred.raw_dim(), gradient).expect("a number a prediction"))
    })?;
    Ok(PyArrayDyn::from_owned_array(py, gradient))
}

#[pyfunction]
pub(crate) fn metric_totals(
    py: Python<'_>,
    metric: &str,
    y_true: Array<'_>,
    y_pred: Floats<'_>,
    sample_weight: Option<Floats<'_>>,
) -> PyResult<Vec<f64>> {
    let (y_true, y_pred) = (y_true.data(), y_pred.view());
    let weights = sample_weight.as_ref().map(Floats::view);
    compute(py, || {
        let metric = Serialised::from_json("metric", metric)?;
        Ok(training::metric_totals(&metric, &y_true, &y_pred, weights.as_ref())?)
    })
}

#[pyfunction]
pub(crate) fn metric_result(py: Python<'_>, metric: &str, totals: Vec<f64>) -> PyResult<Vec<f64>> {
    compute(py, || Ok(training::metric_result(&Serialised::from_json("metric", metric)?, &totals)?))
}

#[pyfunction]
pub(crate) fn save_tensors(
    py: Python<'_>,
    path: PathBuf,
    tensors: HashMap<String, Floats<'_>>,
    metadata: HashMap<String, String>,
) -> PyResult<()> {
    let tensors: Vec<_> = tensors.iter().map(|(name, values)| (name.clone(), values.view())).collect();
    compute(py, || Ok(formats::save(&path, &tensors, metadata)?))
}

type Loaded<'py> = (HashMap<String, Bound<'py, PyArrayDyn<f32>>>, HashMap<String, String>);

#[pyfunction]
pub(crate) fn load_tensors(py: Python<'_>, path: PathBuf) -> PyResult<Loaded<'_>> {
    let (tensors, metadata) = compute(py, || formats::load(&path).map_err(Failure::from))?;
    let tensors = tensors.into_iter().map(|(name, values)| (name, PyArrayDyn::from_owned_array(py, values)));
    Ok((tensors.collect(), metadata))
}
