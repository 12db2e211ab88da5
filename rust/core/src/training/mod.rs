//! Losses, metrics, optimizers, and the step that brings them together.

mod deferred;
mod elementwise;
mod held;
mod loss;
mod metric;
mod optimizer;
mod target;
mod trainer;

pub use loss::Loss;
pub use metric::{Metric, metric_result};
pub use optimizer::Optimizer;
pub use target::{Labelled, Own, SampleWeights};
pub use trainer::{
    Outcome, Targets, Trainer, TrainerConfig, WORTH_DEFERRING, loss_gradient, loss_value, loss_values, metric_totals,
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Keras' `backend.epsilon()`: what keeps logarithms and quotients finite.
const EPSILON: f32 = 1e-7;

/// An object as Keras serialises it.
#[derive(Clone, Debug, Deserialize)]
pub struct Serialised {
    class_name: String,
    #[serde(default)]
    config: Map<String, Value>,
}

impl Serialised {
    /// Reads one from JSON; `kind` names it in errors.
    ///
    /// # Errors
    /// Where it is not of that form.
    pub fn from_json(kind: &str, json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|source| Error::Config { place: kind.to_owned(), source })
    }

    /// Its arguments, `name` and `dtype` aside, as one of the library's own types; unknown ones are an error.
    fn arguments<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        let mut config = self.config.clone();
        config.retain(|key, _| key != "name" && key != "dtype");
        serde_json::from_value(Value::Object(config))
            .map_err(|source| Error::Config { place: self.class_name.clone(), source })
    }
}
