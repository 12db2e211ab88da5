//! Sequences that arrive one time step at a time.

use ndarray::Axis;

use super::data::{Data, Rows};
use super::run::{Mode, Network, Workspace};
use crate::error::{Error, Result};
use crate::layers::{Kind, Shape};

/// Where some sequences are: the states of a network's recurrent layers.
pub struct Stream {
    batch: usize,
    work: Workspace,
    /// What a step takes: `batch`, and the features where there are any.
    sizes: Vec<usize>,
}

impl Stream {
    /// How many sequences go side by side.
    pub fn batch(&self) -> usize {
        self.batch
    }
}

impl Network {
    /// Prepares for `batch` sequences, at their beginning.
    ///
    /// # Errors
    /// Where the model has more than one input, its input is no sequence, or a layer needs to see a sequence's end.
    pub fn stream(&self, batch: usize) -> Result<Stream> {
        let plan = self.plan();
        let mut shapes = plan.input_shapes();
        let (Some(shape), None) = (shapes.next(), shapes.next()) else {
            return Err(Error::unsupported("stream", "takes models of one input"));
        };
        let ids = plan.input_kinds().next() == Some(Kind::Ids);
        let sizes: Option<Vec<usize>> = shape.0.iter().skip(2).copied().collect();
        let Some(sizes) = sizes.filter(|sizes| shape.rank() > 1 && sizes.len() == usize::from(!ids)) else {
            let expected = "(batch, time, features), or (batch, time) of ids";
            return Err(Error::shape("stream", "the input", expected, shape.clone()));
        };
        let mut work = Workspace::default();
        self.lay_out(&mut work);
        work.resume();
        let mut stream = Stream { batch, work, sizes: std::iter::once(batch).chain(sizes).collect() };
        self.reset(&mut stream)?;
        if self.states(&mut stream)?.is_empty() {
            return Err(Error::unsupported("stream", "the model has no recurrent layer; use predict"));
        }
        Ok(stream)
    }

    /// Takes the next step of every sequence and returns the sizes and values of the model's first output. Where outputs
    /// have a time axis, it is gone.
    ///
    /// # Errors
    /// Where the array does not fit the model; the states stay as they were.
    pub fn step<'a>(&self, stream: &'a mut Stream, x: &Data<'_>) -> Result<(Vec<usize>, &'a [f32])> {
        if x.sizes() != stream.sizes {
            let (expected, given) = (Shape::known(&stream.sizes), Shape::known(x.sizes()));
            return Err(Error::value("step", format!("takes an array of shape {expected}, not {given}")));
        }
        let x = match x {
            Data::F32(x) => Data::F32(x.view().insert_axis(Axis(1))),
            Data::I32(x) => Data::I32(x.view().insert_axis(Axis(1))),
            Data::I64(x) => Data::I64(x.view().insert_axis(Axis(1))),
        };
        self.forward(&mut stream.work, &[x], Rows::Range(0, stream.batch), Mode::Inference)?;
        let output = stream.work.tensor(self.plan().output(0));
        let mut sizes = output.sizes().to_vec();
        if sizes.len() > 2 {
            sizes.remove(1);
        }
        Ok((sizes, output.floats()))
    }

    /// Begins new sequences.
    ///
    /// # Errors
    /// Where there is no memory for the states.
    pub fn reset(&self, stream: &mut Stream) -> Result<()> {
        self.states(stream)?.into_iter().for_each(|state| state.fill(0.0));
        self.set_begun(&mut stream.work, false);
        Ok(())
    }

    /// The states, `batch x units` each: `h` and `c` of each recurrent layer.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn states<'a>(&self, stream: &'a mut Stream) -> Result<Vec<&'a mut [f32]>> {
        self.recurrent_states(&mut stream.work, stream.batch)
    }

    /// Goes on from other states, each `batch x units`.
    ///
    /// # Errors
    /// Where there are too many or too few or one has another shape; nothing is changed then.
    pub fn set_states(&self, stream: &mut Stream, given: &[ndarray::ArrayViewD<'_, f32>]) -> Result<()> {
        let batch = stream.batch;
        let states = self.states(stream)?;
        if given.len() != states.len() {
            let (given, wanted) = (given.len(), states.len());
            return Err(Error::value("set_states", format!("got {given} arrays, the model has {wanted} states")));
        }
        for (number, (state, given)) in states.iter().zip(given).enumerate() {
            let expected = [batch, state.len() / batch.max(1)];
            if given.shape() != expected {
                let (expected, given) = (Shape::known(&expected), Shape::known(given.shape()));
                return Err(Error::shape("set_states", format!("state {number}"), expected, given));
            }
        }
        for (state, given) in states.into_iter().zip(given) {
            state.iter_mut().zip(given).for_each(|(to, &from)| *to = from);
        }
        self.set_begun(&mut stream.work, true);
        Ok(())
    }
}
