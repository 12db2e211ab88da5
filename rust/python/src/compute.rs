//! The one place where the GIL is released, and the lock that is only ever taken there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, TryLockError};

use lstm_core::parallel::fork_generation;
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

/// A value whose changes may put work off until somebody looks.
pub(crate) trait Settle {
    fn is_settled(&self) -> bool;
    fn settle(&mut self);
}

/// A value that several threads read and one at a time changes. `read` and `write` show it settled; only what says that it
/// does not mind, `peek` and `advance`, sees it as it is.
///
/// It is locked without the GIL and released before Python runs again, so that no thread waits for the one while it holds
/// the other, and a callback or a signal handler may use the same value.
pub(crate) struct Shared<T> {
    lock: RwLock<T>,
    /// The generation of processes that the lock's state belongs to.
    generation: AtomicU32,
}

impl<T: Settle + Send + Sync> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Shared { lock: RwLock::new(value), generation: AtomicU32::new(fork_generation()) }
    }

    /// Shows the value to any number of threads at once; to one alone where there is something to settle first.
    pub(crate) fn read<U: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&T) -> Result<U, Failure> + Send,
    ) -> PyResult<U> {
        compute(py, || {
            self.check_process()?;
            let value = self.lock.read().unwrap_or_else(PoisonError::into_inner);
            if value.is_settled() {
                return work(&value);
            }
            drop(value);
            let mut value = self.lock.write().unwrap_or_else(PoisonError::into_inner);
            value.settle();
            work(&value)
        })
    }

    /// Changes the value, settled.
    pub(crate) fn write<U: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> Result<U, Failure> + Send,
    ) -> PyResult<U> {
        self.advance(py, |value| {
            value.settle();
            work(value)
        })
    }

    /// Shows the value, settled or not.
    pub(crate) fn peek<U: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&T) -> Result<U, Failure> + Send,
    ) -> PyResult<U> {
        compute(py, || {
            self.check_process()?;
            // A panic left nothing half-written that a later call would read: poison is no news.
            work(&self.lock.read().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Changes the value, settled or not.
    pub(crate) fn advance<U: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> Result<U, Failure> + Send,
    ) -> PyResult<U> {
        compute(py, || {
            self.check_process()?;
            work(&mut self.lock.write().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// In a forked child, whether the parent's other threads held the lock at the fork: nobody would ever release it.
    fn check_process(&self) -> Result<(), Failure> {
        let generation = fork_generation();
        if self.generation.load(Ordering::Relaxed) == generation {
            return Ok(());
        }
        if let Err(TryLockError::WouldBlock) = self.lock.try_write() {
            let message = "this model was in use by another thread when the process forked; load it again in the child";
            return Err(PyRuntimeError::new_err(message).into());
        }
        self.generation.store(generation, Ordering::Relaxed);
        Ok(())
    }
}
