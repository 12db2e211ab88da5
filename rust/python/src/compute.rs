//! The one place where the GIL is released.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::errors::Failure;

/// Runs `work` without the GIL. A panic, which would be a bug of the core, becomes a RuntimeError.
pub(crate) fn compute<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Failure> + Send) -> PyResult<T> {
    let result = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    match result {
        Ok(result) => result.map_err(PyErr::from),
        Err(_) => Err(PyRuntimeError::new_err(
            "lstm_rs has met a state that it holds impossible; please report what you did as a bug",
        )),
    }
}

/// Lets Python act on Ctrl-C and the like; called between batches.
pub(crate) fn check_signals() -> Result<(), Failure> {
    Ok(Python::attach(|py| py.check_signals())?)
}
