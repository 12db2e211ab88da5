//! Slices and sizes in, numbers out: the arithmetic, compiled for every instruction set.
//!
//! Each kernel takes the [`Isa`](crate::simd::Isa) to run on, checks its slices against its sizes once at the door, and
//! works on raw pointers behind it. Matrices are row-major; a *stride* is a distance in floats.

mod accumulate;
pub mod activation;
mod buffer;
pub mod lstm;
pub mod matmul;
pub mod optimizer;
pub mod pack;
pub mod softmax;
pub mod weight_gradient;

pub use buffer::AlignedBuffer;
