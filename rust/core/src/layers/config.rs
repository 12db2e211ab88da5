//! Reading what Keras writes of a layer.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::AnyActivation;
use super::activation;
use crate::error::{Error, Result};
use crate::simd::Isa;

/// Reads a layer's own arguments: those that every layer has are taken away first, any that is not known is an error. The
/// network takes `activity_regularizer` from the layers it calls.
pub(super) fn read<T: DeserializeOwned>(layer: &str, config: &Value) -> Result<T> {
    let mut config = config.clone();
    if let Some(fields) = config.as_object_mut() {
        for common in ["name", "trainable", "activity_regularizer", "build_config"] {
            match fields.remove(common) {
                Some(value) if common == "activity_regularizer" && !value.is_null() => {
                    let message = "activity_regularizer of a layer inside another is not supported yet";
                    return Err(Error::unsupported(layer, message));
                }
                _ => {}
            }
        }
        if let Some(dtype) = fields.remove("dtype") {
            Precision::named(layer, &dtype)?;
        }
    }
    serde_json::from_value(config).map_err(|source| Error::Config { place: layer.to_owned(), source })
}

/// What a layer's products are computed in. Weights, sums and all else are float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Float32,
    /// Rounded to bfloat16 before they are multiplied, where the CPU multiplies that faster.
    Bfloat16,
}

impl Precision {
    /// What a layer's configuration asks for.
    ///
    /// # Errors
    /// Where that is something else.
    pub fn of(layer: &str, config: &Value) -> Result<Self> {
        Self::named(layer, &config["dtype"])
    }

    /// By name, or as Keras serialises the policy of that name.
    fn named(layer: &str, dtype: &Value) -> Result<Self> {
        let name = dtype.get("config").and_then(|config| config.get("name")).unwrap_or(dtype);
        match name.as_str() {
            Some("float32") => Ok(Precision::Float32),
            Some("mixed_bfloat16") => Ok(Precision::Bfloat16),
            _ if name.is_null() => Ok(Precision::Float32),
            _ => {
                let message = format!("dtype {name} is not supported; use float32 or mixed_bfloat16");
                Err(Error::unsupported(layer, message))
            }
        }
    }

    /// The instruction set to compute with.
    pub fn on(self, isa: Isa) -> Isa {
        match self {
            Precision::Float32 => isa,
            Precision::Bfloat16 => isa.with_tiles(),
        }
    }
}

/// An argument that has no effect here.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Ignored(#[allow(dead_code, reason = "read so that it counts as known")] serde::de::IgnoredAny);

/// An argument that must be at its default: null, false or zero.
#[derive(Debug, Default)]
pub(super) struct Absent;

impl<'de> Deserialize<'de> for Absent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null | Value::Bool(false) => Ok(Absent),
            Value::Number(number) if number.as_f64() == Some(0.0) => Ok(Absent),
            other => Err(D::Error::custom(format!("an argument is {other}, which is not supported yet"))),
        }
    }
}

/// Reads an activation's name; null is `linear`.
pub(super) fn activation_named(layer: &str, name: Option<&str>) -> Result<AnyActivation> {
    let name = name.unwrap_or("linear");
    activation::named(name).ok_or_else(|| {
        let known = activation::names().join(", ");
        Error::value(layer, format!("unknown activation '{name}'; known are {known}"))
    })
}

/// Reads a seed: a number, or what Keras keeps of a generator, which says nothing.
pub(super) fn seed(value: &Value) -> Option<u64> {
    value.as_u64().or(value.as_i64().map(i64::cast_unsigned))
}

pub(super) fn yes() -> bool {
    true
}
