//! Cells one above the other along time: those of one layer, or of layers that stand one above the other.

use super::Tensor;
use super::recurrence::{Given, Recurrence, RecurrenceCache};
use super::split::Split;
use crate::error::Result;
use crate::kernels::lstm::Stack;
use crate::kernels::{Columns, run_passes};
use crate::parallel;

/// One of the cells.
pub(super) struct Level<'a> {
    pub cell: &'a Recurrence,
    pub cache: &'a mut RecurrenceCache,
    /// Of the right sizes; what it takes in is the target below it.
    pub target: &'a mut Tensor,
    /// `h` and `c` to start from, `batch x units`.
    pub initial: [Option<&'a [f32]>; 2],
    /// Seed and stream for dropout.
    pub random: (u64, u64),
}

/// Computes the forward pass of all cells, the lowest first, from an input: at the same time where that takes less time than one after
/// the other.
///
/// # Errors
/// Where there is no memory for it.
pub(super) fn forward(given: &Given<'_>, levels: &mut [Level<'_>]) -> Result<()> {
    if at_once(given, levels)? {
        return Ok(());
    }
    for i in 0..levels.len() {
        let (below, rest) = levels.split_at_mut(i);
        let given = given_to(given, below, &rest[0]);
        let Level { cell, cache, target, .. } = &mut rest[0];
        let team = parallel::team(cell.operations(given.x));
        cell.prepare(&given, &team, cache)?;
        run_passes(&team, [cell.forward(&given, output(cell, target), cache, team.size())]);
        cell.finish(&given, target.floats_mut(), cell.units, cache);
    }
    Ok(())
}

/// What a level is given above those below it.
fn given_to<'a>(given: &Given<'a>, below: &'a [Level<'_>], level: &Level<'a>) -> Given<'a> {
    let x = below.last().map_or(given.x, |below| &*below.target);
    Given { x, initial: level.initial, random: level.random, ..*given }
}

/// Where the outputs of all steps go, if they are wanted.
fn output<'a>(cell: &Recurrence, target: &'a mut Tensor) -> Option<Columns<'a>> {
    cell.return_sequences.then(|| Columns::all(target.floats_mut(), cell.units))
}

/// Computes all levels as a wavefront, if they can be and that takes less time.
///
/// # Errors
/// Where there is no memory for it.
fn at_once(given: &Given<'_>, levels: &mut [Level<'_>]) -> Result<bool> {
    let &[batch, steps, _] = given.x.sizes() else { unreachable!("the plan checked the rank") };
    if levels.len() <= 1 || steps <= 1 {
        return Ok(false);
    }
    let mut weights = Vec::with_capacity(levels.len());
    let mut below: Option<&Recurrence> = None;
    for cell in levels.iter().map(|level| level.cell) {
        let Some(lstm) = cell.cell.as_lstm() else { return Ok(false) };
        if below.is_some_and(|below| !cell.direction.follows(below.direction) || cell.drops_inputs(given.training)) {
            return Ok(false);
        }
        let is_projected = below.is_some() || given.x.dictionary().is_none();
        weights.push((lstm.weights(cell.precision.on(given.isa)), if is_projected { cell.features } else { 0 }));
        below = Some(cell);
    }
    let team = parallel::team(levels.iter().map(|level| level.cell.operations(given.x)).sum());
    let Some(split) = Split::of_stack(team.size(), (batch, steps), &weights) else { return Ok(false) };
    for i in 0..levels.len() {
        let (below, rest) = levels.split_at_mut(i);
        let given = given_to(given, below, &rest[0]);
        rest[0].cell.prepare(&given, &team, rest[0].cache)?;
    }
    let ranks = split.ranks(&levels[0].cache.order, weights[0].0);
    let mut x = Some(given.x);
    let passes = levels.iter_mut().filter_map(|Level { cell, cache, target, .. }| {
        let isa = cell.precision.on(given.isa);
        Some(cell.cell.as_lstm()?.pass(isa, x.take(), given.training, output(cell, target), cache, split))
    });
    Stack::new(passes, &ranks).run(&team);
    for i in 0..levels.len() {
        let (below, rest) = levels.split_at_mut(i);
        let given = given_to(given, below, &rest[0]);
        let Level { cell, cache, target, .. } = &mut rest[0];
        cell.finish(&given, target.floats_mut(), cell.units, cache);
    }
    Ok(true)
}
