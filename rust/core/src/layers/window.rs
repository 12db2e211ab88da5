//! A window that moves along the time axis: what pooling and convolution read for each step of their output.

use serde::Deserialize;

use super::{Shape, checked_len};
use crate::error::{Error, Result};

/// An argument that has one number for each axis of space or time, of which there is one.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Plain(usize),
    Listed([usize; 1]),
}

impl Number {
    /// # Errors
    /// Where it is zero, or larger than any array.
    pub(super) fn positive(self, layer: &str, argument: &str) -> Result<usize> {
        let (Number::Plain(number) | Number::Listed([number])) = self;
        if number == 0 {
            return Err(Error::value(layer, format!("{argument} must be positive")));
        }
        checked_len(layer, &[number])
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Padding {
    /// Every step that is read is there.
    Valid,
    /// Zeros around, so that there is an output for each `stride` steps.
    Same,
    /// Zeros in front, so that no output depends on later steps.
    Causal,
}

#[derive(Clone, Copy)]
pub(super) struct Window {
    /// How many steps it reads.
    pub(super) size: usize,
    /// How far it moves from one output to the next.
    pub(super) stride: usize,
    /// The distance of the steps that it reads.
    pub(super) dilation: usize,
    pub(super) padding: Padding,
}

impl Window {
    /// From the first to the last step that it reads.
    fn span(&self) -> usize {
        (self.size - 1) * self.dilation + 1
    }

    /// How many outputs so many steps have.
    fn outputs(&self, steps: usize) -> usize {
        match self.padding {
            Padding::Valid => (steps + self.stride).saturating_sub(self.span()) / self.stride,
            Padding::Same | Padding::Causal => steps.div_ceil(self.stride),
        }
    }

    /// How many zeros stand in front.
    fn zeros(&self, steps: usize) -> usize {
        match self.padding {
            Padding::Valid => 0,
            Padding::Same => {
                let last = self.outputs(steps).saturating_sub(1) * self.stride;
                (last + self.span()).saturating_sub(steps) / 2
            }
            Padding::Causal => self.span() - 1,
        }
    }

    /// For an output each place of the window and the step that it reads there; places on zeros are left out.
    pub(super) fn reads(&self, output: usize, steps: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (first, dilation, zeros) = (output * self.stride, self.dilation, self.zeros(steps));
        (0..self.size).filter_map(move |place| {
            let step = (first + place * dilation).checked_sub(zeros)?;
            (step < steps).then_some((place, step))
        })
    }

    /// The output's shape for an input of `batch x steps x ...`.
    ///
    /// # Errors
    /// Where the input has another number of axes, or too few steps.
    pub(super) fn output_shape(&self, layer: &str, input: &Shape) -> Result<Shape> {
        let mut shape = sequences(layer, input)?.clone();
        if let Some(steps) = shape.0[1] {
            let outputs = self.outputs(steps);
            if outputs == 0 {
                let expected = format!("at least {} steps", self.span());
                return Err(Error::shape(layer, "the input", expected, input.clone()));
            }
            shape.0[1] = Some(outputs);
        }
        Ok(shape)
    }
}

/// # Errors
/// Where an input is not `batch x steps x features`.
pub(super) fn sequences<'a>(layer: &str, input: &'a Shape) -> Result<&'a Shape> {
    match input.rank() {
        3 => Ok(input),
        _ => Err(Error::shape(layer, "the input", "(batch, steps, features)", input.clone())),
    }
}

/// # Errors
/// Where features are not the last axis.
pub(super) fn check_data_format(layer: &str, given: Option<&str>) -> Result<()> {
    match given {
        None | Some("channels_last") => Ok(()),
        Some("channels_first") => {
            Err(Error::unsupported(layer, "data_format='channels_first' is not supported yet; use 'channels_last'"))
        }
        Some(other) => {
            Err(Error::value(layer, format!("data_format='{other}' must be 'channels_last' or 'channels_first'")))
        }
    }
}

/// # Errors
/// Always: a stream shows one step at a time.
pub(super) fn needs_whole_sequences<T>(layer: &str) -> Result<T> {
    Err(Error::unsupported(layer, "reads several time steps at once, of which a stream sees one; use predict"))
}
