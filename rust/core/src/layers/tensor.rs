//! The arrays that flow between layers, and their gradients.

use super::Shape;
use crate::error::{Error, Result};
use crate::kernels::AlignedBuffer;

/// How many elements an array has.
///
/// # Errors
/// Where so many floats, with the copies that a layer keeps of them, have no address.
pub fn checked_len(place: &str, sizes: &[usize]) -> Result<usize> {
    let len = sizes.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
    // An LSTM keeps six floats a unit a step, packed weights less than twice the weights.
    len.filter(|&len| len < isize::MAX as usize / 64).ok_or_else(|| Error::TooLarge {
        place: place.to_owned(),
        message: format!("{} elements are more than memory can hold", Shape::known(sizes)),
    })
}

/// What a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floats.
    Floats,
    /// Ids of tokens.
    Ids,
}

/// The elements of a tensor, row-major.
pub enum Values {
    /// 32-bit floats.
    Floats(AlignedBuffer),
    /// Ids of tokens.
    Ids(Vec<i32>),
}

/// An array that one layer writes and others read. Its memory is kept from call to call.
///
/// Where rows of the last axis repeat, as those of an embedding do, it may hold each once: its *dictionary* then names
/// for every row the one that it equals.
pub struct Tensor {
    sizes: Vec<usize>,
    values: Values,
    dictionary: Vec<u32>,
}

impl Tensor {
    /// An empty one.
    pub fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Floats => Values::Floats(AlignedBuffer::default()),
            Kind::Ids => Values::Ids(Vec::new()),
        };
        Tensor { sizes: Vec::new(), values, dictionary: Vec::new() }
    }

    /// Gives it other sizes; what it then holds is not defined.
    ///
    /// # Errors
    /// Where the sizes are too large for memory.
    pub fn resize(&mut self, sizes: &[usize]) -> Result<()> {
        let len = checked_len("an array", sizes)?;
        match &mut self.values {
            Values::Floats(floats) => floats.resize(len)?,
            Values::Ids(ids) => {
                ids.try_reserve(len.saturating_sub(ids.len()))?;
                ids.resize(len, 0);
            }
        }
        self.sizes.clear();
        self.sizes.extend_from_slice(sizes);
        self.dictionary.clear();
        Ok(())
    }

    /// Makes it hold `rows` rows, of which each row of the last axis is the one that `dictionary` names; its sizes stay.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn set_dictionary(&mut self, rows: usize, dictionary: &[u32]) -> Result<()> {
        assert_eq!(dictionary.len(), self.rows());
        assert!(dictionary.iter().all(|&row| (row as usize) < rows));
        let len = rows * self.features();
        if let Values::Floats(floats) = &mut self.values {
            floats.resize(len)?;
        }
        self.dictionary.clear();
        self.dictionary.extend_from_slice(dictionary);
        Ok(())
    }

    /// For each row of the last axis the number of the row that it equals, if rows are held once.
    pub fn dictionary(&self) -> Option<&[u32]> {
        (!self.dictionary.is_empty()).then_some(&self.dictionary)
    }

    /// The floats it holds: all of its rows, or each of its dictionary's once.
    pub fn held(&self) -> &[f32] {
        match &self.values {
            Values::Floats(floats) => floats,
            Values::Ids(_) => unreachable!("ids where the plan promised floats"),
        }
    }

    /// How many elements it holds.
    pub fn held_len(&self) -> usize {
        match &self.values {
            Values::Floats(floats) => floats.len(),
            Values::Ids(ids) => ids.len(),
        }
    }

    /// The floats it holds, to be written.
    pub fn held_mut(&mut self) -> &mut [f32] {
        match &mut self.values {
            Values::Floats(floats) => floats,
            Values::Ids(_) => unreachable!("ids where the plan promised floats"),
        }
    }

    /// A row of the last axis.
    pub fn row(&self, row: usize) -> &[f32] {
        let row = self.dictionary().map_or(row, |dictionary| dictionary[row] as usize);
        &self.held()[row * self.features()..][..self.features()]
    }

    /// What it holds.
    pub fn kind(&self) -> Kind {
        match self.values {
            Values::Floats(_) => Kind::Floats,
            Values::Ids(_) => Kind::Ids,
        }
    }

    /// Its sizes.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Its elements, to be filled.
    pub fn values_mut(&mut self) -> &mut Values {
        &mut self.values
    }

    /// How many rows of the last axis it has.
    pub fn rows(&self) -> usize {
        self.sizes.split_last().map_or(1, |(_, rest)| rest.iter().product())
    }

    /// The size of the last axis.
    pub fn features(&self) -> usize {
        self.sizes.last().copied().unwrap_or(1)
    }

    /// Its floats.
    ///
    /// # Panics
    /// Where it holds ids or a dictionary: a plan gives each layer the kind that it asks for.
    pub fn floats(&self) -> &[f32] {
        assert!(self.dictionary.is_empty(), "a dictionary where the plan promised rows");
        self.held()
    }

    /// Its floats, to be written.
    ///
    /// # Panics
    /// Where it holds ids.
    pub fn floats_mut(&mut self) -> &mut [f32] {
        match &mut self.values {
            Values::Floats(floats) => floats,
            Values::Ids(_) => unreachable!("ids where the plan promised floats"),
        }
    }

    /// Its ids.
    ///
    /// # Panics
    /// Where it holds floats.
    pub fn ids(&self) -> &[i32] {
        match &self.values {
            Values::Ids(ids) => ids,
            Values::Floats(_) => unreachable!("floats where the plan promised ids"),
        }
    }
}

/// The gradient of a tensor.
#[derive(Default)]
pub struct Gradient {
    values: AlignedBuffer,
    wanted: bool,
    written: bool,
}

impl Gradient {
    /// Prepares for a backward pass: nothing written yet.
    ///
    /// # Errors
    /// Where there is not so much memory.
    pub fn reset(&mut self, len: usize, wanted: bool) -> Result<()> {
        if wanted {
            self.values.resize(len)?;
        }
        self.wanted = wanted;
        self.written = false;
        Ok(())
    }

    /// Whether anybody wants it.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// What has been written; `None` if nothing was.
    pub fn get(&self) -> Option<&[f32]> {
        self.written.then_some(&*self.values)
    }

    /// The floats to write, and whether to add to what they hold; `None` if nobody wants the gradient.
    pub fn claim(&mut self) -> Option<(&mut [f32], bool)> {
        if !self.wanted {
            return None;
        }
        let add = std::mem::replace(&mut self.written, true);
        Some((&mut self.values, add))
    }
}
