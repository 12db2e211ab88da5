//! NumPy arrays as borrowed views.

use lstm_core::network::Data;
use ndarray::ArrayViewD;
use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// An array of one of the kinds that the core reads without a copy.
pub(crate) enum Array<'py> {
    F32(PyReadonlyArrayDyn<'py, f32>),
    I32(PyReadonlyArrayDyn<'py, i32>),
    I64(PyReadonlyArrayDyn<'py, i64>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Array<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = object.cast::<PyArrayDyn<f32>>() {
            return Ok(Array::F32(array.to_owned().try_readonly()?));
        }
        if let Ok(array) = object.cast::<PyArrayDyn<i32>>() {
            return Ok(Array::I32(array.to_owned().try_readonly()?));
        }
        if let Ok(array) = object.cast::<PyArrayDyn<i64>>() {
            return Ok(Array::I64(array.to_owned().try_readonly()?));
        }
        let what = match object.cast::<PyUntypedArray>() {
            Ok(array) => format!("an array of {}", array.dtype()),
            Err(_) => object.get_type().to_string(),
        };
        Err(PyTypeError::new_err(format!("expected an array of float32, int32 or int64, not {what}")))
    }
}

impl Array<'_> {
    pub(crate) fn data(&self) -> Data<'_> {
        match self {
            Array::F32(array) => Data::F32(array.as_array()),
            Array::I32(array) => Data::I32(array.as_array()),
            Array::I64(array) => Data::I64(array.as_array()),
        }
    }
}

/// An array of weights, one a sample or one a step, or none.
pub(crate) type Weights<'py> = Option<PyReadonlyArrayDyn<'py, f32>>;

pub(crate) fn views<'a>(weights: &'a [Weights<'_>]) -> Vec<Option<ArrayViewD<'a, f32>>> {
    weights.iter().map(|weights| weights.as_ref().map(|weights| weights.as_array())).collect()
}

/// Several arrays for Python.
pub(crate) fn to_python(
    py: Python<'_>,
    arrays: impl IntoIterator<Item = ndarray::ArrayD<f32>>,
) -> Vec<Bound<'_, PyArrayDyn<f32>>> {
    arrays.into_iter().map(|array| PyArrayDyn::from_owned_array(py, array)).collect()
}
