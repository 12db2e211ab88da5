//! What can go wrong, told so that the caller can mend it.

use std::fmt;

use crate::layers::Shape;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call was refused. Nothing was changed by it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An array does not have the shape that a layer, a loss or a metric needs.
    #[error("{place}: {argument} has shape {actual}, expected {expected}")]
    Shape {
        /// The layer, loss or metric.
        place: String,
        /// What has the wrong shape.
        argument: String,
        /// What would do.
        expected: String,
        /// What it is.
        actual: Shape,
    },
    /// A value is outside what is allowed.
    #[error("{place}: {message}")]
    Value {
        /// The layer, loss, metric or optimizer.
        place: String,
        /// The value and what is allowed.
        message: String,
    },
    /// An array has elements of the wrong kind.
    #[error("{place}: {message}")]
    Type {
        /// The layer or input.
        place: String,
        /// The kind and what is allowed.
        message: String,
    },
    /// A name that nothing has.
    #[error("unknown {kind} '{name}'; known are {known}")]
    Unknown {
        /// What is named: a layer, an activation, ...
        kind: &'static str,
        /// The name.
        name: String,
        /// The valid names.
        known: String,
    },
    /// Something that Keras has and this version does not.
    #[error("{place}: {message}")]
    Unsupported {
        /// The layer or argument.
        place: String,
        /// What, and what to do instead.
        message: String,
    },
    /// A model's description that cannot be read.
    #[error("{place}: {source}")]
    Config {
        /// The layer or part.
        place: String,
        /// What serde says.
        source: serde_json::Error,
    },
    /// Training or evaluation of a model that was not compiled.
    #[error("the model has no loss and no optimizer: call compile() first")]
    NotCompiled,
    /// A size that no memory holds.
    #[error("{place}: {message}")]
    TooLarge {
        /// The layer.
        place: String,
        /// The size.
        message: String,
    },
    /// The system gave no memory.
    #[error("out of memory: {0}")]
    OutOfMemory(#[from] std::collections::TryReserveError),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// A [`Error::Value`].
    pub fn value(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Error::Value { place: place.to_string(), message: message.to_string() }
    }

    /// A [`Error::Unsupported`].
    pub fn unsupported(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Error::Unsupported { place: place.to_string(), message: message.to_string() }
    }

    /// A [`Error::Shape`].
    pub fn shape(
        place: impl fmt::Display,
        argument: impl fmt::Display,
        expected: impl fmt::Display,
        actual: Shape,
    ) -> Self {
        Error::Shape {
            place: place.to_string(),
            argument: argument.to_string(),
            expected: expected.to_string(),
            actual,
        }
    }

    /// A [`Error::Unknown`].
    pub fn unknown<'a>(kind: &'static str, name: impl fmt::Display, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<_> = known.into_iter().collect();
        Error::Unknown { kind, name: name.to_string(), known: known.join(", ") }
    }
}
