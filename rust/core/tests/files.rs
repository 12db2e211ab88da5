//! Files come back as they went, and a broken one is an error, not a panic.

use std::collections::HashMap;
use std::fs;

use lstm_core::{Error, formats};
use ndarray::{Array2, ArrayD, arr0};

#[test]
fn tensors_and_metadata_come_back() {
    let folder = std::env::temp_dir().join(format!("lstm-core-files-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("model.safetensors");
    let matrix: ArrayD<f32> = Array2::from_shape_fn((3, 5), |(i, j)| i as f32 - 0.1 * j as f32).into_dyn();
    let scalar = arr0(f32::NAN).into_dyn();
    let empty = Array2::<f32>::zeros((0, 4)).into_dyn();
    let tensors = [("a/b", &matrix), ("scalar", &scalar), ("empty", &empty)];
    let tensors: Vec<_> = tensors.iter().map(|(name, values)| ((*name).to_owned(), values.view())).collect();
    let metadata: HashMap<_, _> = [("config".to_owned(), "{\"ü\": 1}".to_owned())].into();
    // Twice: the second replaces the first.
    formats::save(&path, &tensors[..1], HashMap::new()).unwrap();
    formats::save(&path, &tensors, metadata.clone()).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside the file");
    let (loaded, loaded_metadata) = formats::load(&path).unwrap();
    assert_eq!(loaded_metadata, metadata);
    let loaded: HashMap<_, _> = loaded.into_iter().collect();
    assert_eq!(loaded["a/b"], matrix);
    assert!(loaded["scalar"][[]].is_nan());
    assert_eq!(loaded["empty"].shape(), [0, 4]);

    // A transposed view is saved by its values.
    formats::save(&path, &[("t".to_owned(), matrix.t())], HashMap::new()).unwrap();
    assert_eq!(formats::load(&path).unwrap().0[0].1, matrix.t());

    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 7, 8, 20, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(formats::load(&path), Err(Error::Format { .. })), "{length} bytes");
    }
    // A header that claims to be longer than anything, and bytes of another type.
    let mut lying = whole.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&path, &lying).unwrap();
    assert!(matches!(formats::load(&path), Err(Error::Format { .. })));
    let text = String::from_utf8_lossy(&whole[8..]).find("F32").unwrap();
    let mut other = whole;
    other[8 + text..8 + text + 3].copy_from_slice(b"I32");
    fs::write(&path, &other).unwrap();
    assert!(formats::load(&path).unwrap_err().to_string().contains("not F32"));

    assert!(matches!(formats::load(&folder.join("nothing")), Err(Error::Io { .. })));
    assert!(matches!(formats::save(&folder.join("no/such/folder"), &[], HashMap::new()), Err(Error::Io { .. })));
    fs::remove_dir_all(&folder).unwrap();
}
