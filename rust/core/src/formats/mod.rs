//! Files: what is read and written without Python.

mod safetensors;

pub use self::safetensors::{StoredTensor, load, save};
