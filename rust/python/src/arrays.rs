//! NumPy arrays as Rust reads and makes them.

use lstm_core::network::Data;
use ndarray::{ArrayD, ArrayViewD};
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// An array that Rust may read: its elements lie where their type wants them.
pub(crate) enum Aligned<'py, T: Element> {
    Borrowed(PyReadonlyArrayDyn<'py, T>),
    /// Of a few elements.
    Copied(ArrayD<T>),
}

/// Up to so many adjacent elements are copied sooner than noted as being read, or kept for NumPy.
pub(crate) const FEW: usize = 1024;

impl<'py, T: Element> Aligned<'py, T> {
    pub(crate) fn view(&self) -> ArrayViewD<'_, T> {
        match self {
            Aligned::Borrowed(array) => array.as_array(),
            Aligned::Copied(array) => array.view(),
        }
    }

    /// The object, if it is an array of such elements.
    ///
    /// # Errors
    /// Where they are not aligned.
    fn cast(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Option<Self>> {
        let Ok(array) = object.cast::<PyArrayDyn<T>>() else { return Ok(None) };
        let size = size_of::<T>();
        let whole = |distance: &isize| distance.unsigned_abs().is_multiple_of(size);
        if !(array.data() as usize).is_multiple_of(align_of::<T>()) || !array.strides().iter().all(whole) {
            return Err(PyValueError::new_err("the array's elements are not aligned in memory; pass a copy"));
        }
        if array.is_c_contiguous()
            && array.len() <= FEW
            && let Ok(values) = array.to_vec()
            && let Ok(copied) = ArrayD::from_shape_vec(array.shape(), values)
        {
            return Ok(Some(Aligned::Copied(copied)));
        }
        Ok(Some(Aligned::Borrowed(array.to_owned().try_readonly()?)))
    }
}

impl<'a, 'py, T: Element> FromPyObject<'a, 'py> for Aligned<'py, T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Aligned::cast(object)?.ok_or_else(|| {
            let (expected, given) = (T::get_dtype(object.py()), what(object));
            PyTypeError::new_err(format!("expected an array of {expected}, not {given}"))
        })
    }
}

fn what(object: Borrowed<'_, '_, PyAny>) -> String {
    match object.cast::<PyUntypedArray>() {
        Ok(array) => format!("an array of {}", array.dtype()),
        Err(_) => object.get_type().to_string(),
    }
}

/// An array of floats.
pub(crate) type Floats<'py> = Aligned<'py, f32>;

/// An array of one of the kinds that the core reads without a copy.
pub(crate) enum Array<'py> {
    F32(Aligned<'py, f32>),
    I32(Aligned<'py, i32>),
    I64(Aligned<'py, i64>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Array<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Some(array) = Aligned::cast(object)? {
            Ok(Array::F32(array))
        } else if let Some(array) = Aligned::cast(object)? {
            Ok(Array::I32(array))
        } else if let Some(array) = Aligned::cast(object)? {
            Ok(Array::I64(array))
        } else {
            let what = what(object);
            Err(PyTypeError::new_err(format!("expected an array of float32, int32 or int64, not {what}")))
        }
    }
}

impl Array<'_> {
    pub(crate) fn data(&self) -> Data<'_> {
        match self {
            Array::F32(array) => Data::F32(array.view()),
            Array::I32(array) => Data::I32(array.view()),
            Array::I64(array) => Data::I64(array.view()),
        }
    }
}

/// Several arrays for Python.
pub(crate) fn to_python(
    py: Python<'_>,
    arrays: impl IntoIterator<Item = ArrayD<f32>>,
) -> Vec<Bound<'_, PyArrayDyn<f32>>> {
    arrays.into_iter().map(|array| PyArrayDyn::from_owned_array(py, array)).collect()
}
