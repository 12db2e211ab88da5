//! From Keras' description of a model to a plan, and its run.
//!
//! [`Graph`] is the description: which layer is called on what. [`Plan`] is the order of work: nodes, tensors, masks, and
//! the range of each weight in one flat run of floats. [`Network`] is a plan with weights; a [`Workspace`] holds what one
//! call of it needs.

mod data;
mod graph;
mod plan;
mod run;
mod schedule;
mod stream;

pub use data::{Data, Rows};
pub use graph::Graph;
pub use plan::{Plan, PlannedWeight};
pub use run::{Mode, Network, Prediction, Workspace};
pub use stream::Stream;
