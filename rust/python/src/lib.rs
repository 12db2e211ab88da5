//! `lstm_rs._lstm_rs`: what Python sees of `lstm-core`.
//!
//! Arrays are converted, the GIL is released, errors become exceptions; nothing is computed here.

mod arrays;
mod compute;
mod engine;
mod errors;
mod functions;
mod stream;
mod text;

/// The native module.
#[pyo3::pymodule(gil_used = false)]
mod _lstm_rs {
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::functions::{
        activate, activation_names, available_isas, constrained, fma_peak, has_bfloat16, initialize, isa, load_tensors,
        loss_gradient, loss_value, loss_values, metric_result, metric_totals, num_threads, regularizer_value,
        save_tensors, set_num_threads,
    };
    #[pymodule_export]
    use super::stream::Stream;
    #[pymodule_export]
    use super::text::Vectorizer;

    /// Refuses to load with an instruction set that this CPU lacks or a number of threads that is none, rather than to run
    /// with others.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        lstm_core::simd::Isa::from_environment().map_err(PyValueError::new_err)?;
        lstm_core::parallel::from_environment().map_err(PyValueError::new_err)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
