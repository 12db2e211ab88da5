//! One self-contained file: named float32 tensors and string metadata, as the safetensors format lays them out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::error::{Error, Result};

/// A tensor that was read: its name and values.
pub type StoredTensor = (String, ArrayD<f32>);

struct Stored<'a>(&'a ArrayViewD<'a, f32>);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        self.0.shape()
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.0.iter().flat_map(|x| x.to_le_bytes()).collect())
    }
    fn data_len(&self) -> usize {
        self.0.len() * size_of::<f32>()
    }
}

/// Writes tensors and metadata. The file appears whole or not at all: it is written beside its place and then moved.
///
/// # Errors
/// Where the file cannot be written.
pub fn save(path: &Path, tensors: &[(String, ArrayViewD<'_, f32>)], metadata: HashMap<String, String>) -> Result<()> {
    let io = |source| Error::Io { path: path.display().to_string(), source };
    let views = tensors.iter().map(|(name, values)| (name, Stored(values)));
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|error| Error::Format { path: path.display().to_string(), message: error.to_string() })?;
    let mut beside = path.as_os_str().to_owned();
    // A name of its own for each call: several threads may write the same file.
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    beside.push(format!(".{}-{}.tmp", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed)));
    let beside = Path::new(&beside);
    let write = || {
        let mut file = fs::File::create(beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(beside, path)
    };
    write().map_err(|source| {
        // The move did not happen; what was written is of no use.
        let _ = fs::remove_file(beside);
        io(source)
    })
}

/// Reads tensors and metadata.
///
/// # Errors
/// Where the file cannot be read, is no safetensors file, or holds something other than float32.
pub fn load(path: &Path) -> Result<(Vec<StoredTensor>, HashMap<String, String>)> {
    let place = || path.display().to_string();
    let bytes = fs::read(path).map_err(|source| Error::Io { path: place(), source })?;
    let broken = |message: String| Error::Format { path: place(), message };
    let not_ours = |error: safetensors::SafeTensorError| broken(format!("not a safetensors file: {error}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_ours)?;
    let stored = SafeTensors::deserialize(&bytes).map_err(not_ours)?;
    let mut tensors = Vec::new();
    for (name, view) in stored.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(broken(format!("tensor {name} is {:?}, not F32", view.dtype())));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values).map_err(|error| broken(error.to_string()))?;
        tensors.push((name.to_owned(), array));
    }
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}
