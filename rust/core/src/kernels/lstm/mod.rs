//! The LSTM cell over whole sequences, forward and backward.
//!
//! With `z = x_t · W + h_{t-1} · U + b`, cut into the gates i, f, c and o,
//!
//! ```text
//! i = σ(z_i)   f = σ(z_f)   g = tanh(z_c)   o = σ(z_o)
//! c_t = f · c_{t-1} + i · g                 h_t = o · tanh(c_t)
//! ```
//!
//! (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; gate order as in Keras.)
//! A register tile holds the four gates of the same units, so that the cell's update runs on it and `z` never reaches
//! memory. Steps are taken in an [`Order`](super::Order) of those that count; a *rank* is a sequence's number in it.
//!
//! A pass is shared by *members*, each with some ranks and some columns. Members with other ranks never wait for each other;
//! those with other columns of the same ranks meet after every step, and where a step is long, who is done with its own
//! columns goes on with what slower ones have not begun. Every sum has one order, so its bits do not depend on the
//! members.

mod backward;
mod forward;
mod projection;
mod stack;
mod sums;
mod turned;

pub use backward::{Backward, BackwardMembers};
pub use forward::{Forward, ForwardMembers, Input};
pub use projection::{Project, Projection};
pub use stack::{Stack, stack_links};

use super::accumulate::{PANEL_VECTORS, load};
use super::activation::Activation;
use crate::simd::Simd;

/// The two activation functions of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Activations {
    /// Of the candidate and of the cell state: `tanh` unless said otherwise.
    pub cell: Activation,
    /// Of the gates i, f and o: `σ` unless said otherwise.
    pub gate: Activation,
}

impl Activations {
    fn is_standard(self) -> bool {
        (self.cell, self.gate) == (Activation::Tanh, Activation::Sigmoid)
    }
}

/// The gates of `count` units, from that of the first one's i on, `stride` floats from gate to gate.
///
/// # Safety
/// So many must be readable at each gate.
#[inline(always)]
unsafe fn gates_of<S: Simd>(simd: S, first: *const f32, stride: usize, count: usize) -> [S::V; PANEL_VECTORS] {
    // SAFETY: the caller's promise.
    unsafe {
        [
            load(simd, first, count),
            load(simd, first.add(stride), count),
            load(simd, first.add(2 * stride), count),
            load(simd, first.add(3 * stride), count),
        ]
    }
}
