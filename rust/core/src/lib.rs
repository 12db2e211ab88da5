//! LSTM training and inference on CPUs.
//!
//! The rooms of this crate, each of which knows only those above it:
//!
//! | room | what it holds |
//! | --- | --- |
//! | [`simd`] | instruction sets behind one trait, detected once |
//! | [`parallel`] | the threads |
//! | [`kernels`] | slices and sizes in, numbers out |
//! | [`layers`] | one file a layer, forward and backward |
//! | [`network`] | from Keras' description of a model to a plan, and its run |
//! | [`training`] | losses, metrics, optimizers, the train step |
//! | [`formats`] | files |
//! | [`text`] | from texts to numbers |
//!
//! [`error`] is everyone's. `unsafe` lives in [`simd`], [`kernels`] and what of [`parallel`] is about the team and forks alone; the rest forbids it.

#[forbid(unsafe_code)]
pub mod error;
#[forbid(unsafe_code)]
pub mod formats;
pub mod kernels;
#[forbid(unsafe_code)]
pub mod layers;
#[forbid(unsafe_code)]
pub mod network;
pub mod parallel;
pub mod simd;
#[forbid(unsafe_code)]
pub mod text;
#[forbid(unsafe_code)]
pub mod training;

pub use error::{Error, Result};
