//! The class `Vectorizer`; `_lstm_rs.pyi` documents it.

use std::sync::{PoisonError, RwLock};

use lstm_core::text::{Counter, Split, Tokenizer, Vocabulary};
use ndarray::{ArrayD, IxDyn};
use numpy::PyArrayDyn;
use pyo3::prelude::*;

use crate::compute::compute;

#[derive(Default)]
struct State {
    counter: Counter,
    vocabulary: Vocabulary,
}

#[pyclass(frozen, module = "lstm_rs._lstm_rs")]
pub(crate) struct Vectorizer {
    tokenizer: Tokenizer,
    /// Locked only without the GIL.
    state: RwLock<State>,
}

/// Texts, so many of them a document.
fn documents(texts: &[String], width: usize) -> Vec<&[String]> {
    if width == 0 { Vec::new() } else { texts.chunks(width).collect() }
}

impl Vectorizer {
    fn write<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut State) -> T + Send) -> PyResult<T> {
        compute(py, || Ok(work(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))))
    }

    fn numbers<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&Vocabulary) -> (Vec<i64>, usize, usize) + Send,
    ) -> PyResult<Bound<'py, PyArrayDyn<i64>>> {
        let array = compute(py, || {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let (values, rows, columns) = work(&state.vocabulary);
            Ok(ArrayD::from_shape_vec(IxDyn(&[rows, columns]), values).expect("as many values as rows and columns say"))
        })?;
        Ok(PyArrayDyn::from_owned_array(py, array))
    }
}

#[pymethods]
impl Vectorizer {
    #[new]
    fn new(lower: bool, strip: bool, split: Option<&str>, ngrams: Vec<usize>) -> Self {
        let split = match split {
            Some("whitespace") => Split::Whitespace,
            Some(_) => Split::Characters,
            None => Split::Nowhere,
        };
        Vectorizer { tokenizer: Tokenizer { lower, strip, split, ngrams }, state: RwLock::default() }
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, |state| state.counter = Counter::default())
    }

    fn count(&self, py: Python<'_>, texts: Vec<String>, width: usize) -> PyResult<()> {
        self.write(py, |state| {
            documents(&texts, width).into_iter().for_each(|document| state.counter.add(&self.tokenizer, document));
        })
    }

    fn counted(&self, py: Python<'_>) -> PyResult<(Vec<(String, u64)>, u64)> {
        self.write(py, |state| (state.counter.sorted(), state.counter.documents))
    }

    fn set_vocabulary(&self, py: Python<'_>, tokens: Vec<String>, first: i64, unknown: i64) -> PyResult<()> {
        self.write(py, |state| state.vocabulary = Vocabulary::new(tokens, first, unknown))
    }

    #[pyo3(signature = (texts, width, length))]
    fn lookup<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<String>,
        width: usize,
        length: Option<usize>,
    ) -> PyResult<Bound<'py, PyArrayDyn<i64>>> {
        self.numbers(py, |vocabulary| {
            let documents = documents(&texts, width);
            let (values, columns) = vocabulary.numbers(&self.tokenizer, &documents, length);
            (values, documents.len(), columns)
        })
    }

    fn bags<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<String>,
        width: usize,
        depth: usize,
    ) -> PyResult<Bound<'py, PyArrayDyn<i64>>> {
        self.numbers(py, |vocabulary| {
            let documents = documents(&texts, width);
            (vocabulary.counts(&self.tokenizer, &documents, depth), documents.len(), depth)
        })
    }
}
