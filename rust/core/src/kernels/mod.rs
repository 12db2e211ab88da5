//! Slices and sizes in, numbers out: the arithmetic, compiled for every instruction set.
//!
//! Each kernel takes the [`Isa`](crate::simd::Isa) to run on, checks its slices against its sizes once at the door, and
//! works on raw pointers behind it. Only what is inlined is compiled for the instruction set, and a closure need not be: the
//! inner parts are loops over arrays. Matrices are row-major; a *stride* is a distance in floats.

mod accumulate;
pub mod activation;
mod buffer;
pub mod gru;
mod hands;
pub mod lstm;
pub mod matmul;
mod members;
pub mod optimizer;
mod order;
pub mod orthogonal;
pub mod pack;
pub mod peak;
mod rows;
pub mod scatter;
mod shared;
pub mod simple_rnn;
pub mod softmax;
pub mod state;
mod tiled;
pub mod weight_gradient;

pub use buffer::AlignedBuffer;
pub use members::{Pass, run_passes};
pub use order::{Direction, Order};
pub use rows::{Columns, Rows, RowsMut};

pub(crate) use accumulate::PANEL_VECTORS;
pub(crate) use members::is_dealt;

/// Floats that `rows` rows of `width`, `stride` apart, reach over.
///
/// # Panics
/// Where that is more than an address can count: no slice is so long.
fn span(rows: usize, stride: usize, width: usize) -> usize {
    let Some(last) = rows.checked_sub(1) else { return 0 };
    last.checked_mul(stride).and_then(|start| start.checked_add(width)).expect("sizes overflow")
}

/// The product of sizes.
///
/// # Panics
/// Where that is more than an address can count: no slice is so long.
fn volume(sizes: &[usize]) -> usize {
    sizes.iter().try_fold(1usize, |len, &size| len.checked_mul(size)).expect("sizes overflow")
}
