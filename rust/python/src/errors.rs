//! Errors of the core as Python's exceptions.

use lstm_core::Error;
use pyo3::PyErr;
use pyo3::exceptions::{PyMemoryError, PyNotImplementedError, PyOSError, PyTypeError, PyValueError};

/// An error on its way to Python; `?` makes it from either side's.
pub(crate) struct Failure(PyErr);

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        Failure(match error {
            Error::Shape { .. }
            | Error::Value { .. }
            | Error::Unknown { .. }
            | Error::Config { .. }
            | Error::Format { .. }
            | Error::NotCompiled => PyValueError::new_err(message),
            Error::Type { .. } => PyTypeError::new_err(message),
            Error::Unsupported { .. } => PyNotImplementedError::new_err(message),
            Error::TooLarge { .. } | Error::OutOfMemory(_) => PyMemoryError::new_err(message),
            // With three arguments Python picks the subclass: FileNotFoundError, PermissionError, ...
            Error::Io { path, source } => match source.raw_os_error() {
                Some(code) => PyOSError::new_err((code, source.to_string(), path)),
                None => PyOSError::new_err(message),
            },
        })
    }
}
