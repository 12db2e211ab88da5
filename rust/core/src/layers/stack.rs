//! Cells one above the other along time: those of one layer, or of layers that stand one above the other.

use super::Tensor;
use super::lstm::Lstm;
use super::recurrence::{Given, Recurrence, RecurrenceCache};
use super::split::Split;
use crate::error::Result;
use crate::kernels::lstm::Stack;
use crate::kernels::{Columns, run_passes};
use crate::parallel;
use crate::simd::Isa;

/// One of the cells.
pub(super) struct Level<'a> {
    pub cell: &'a Recurrence,
    pub cache: &'a mut RecurrenceCache,
    /// Of the right sizes; the next one up takes it in.
    pub target: &'a mut Tensor,
    /// `h` and `c` to start from, `batch x units`.
    pub initial: [Option<&'a [f32]>; 2],
    /// Seed and stream for dropout.
    pub random: (u64, u64),
}

/// Computes the forward pass of all cells, the lowest first, from an input. Neighbours are computed at the same time where they
/// can be and that takes less time than one after the other.
///
/// # Errors
/// Where there is no memory for it.
pub(super) fn forward(given: &Given<'_>, levels: &mut [Level<'_>]) -> Result<()> {
    let mut done = 0;
    while done < levels.len() {
        let (below, rest) = levels.split_at_mut(done);
        let given = Given { x: below.last().map_or(given.x, |below| &*below.target), ..*given };
        let count = 1 + rest.windows(2).take_while(|pair| can_follow(&given, pair[0].cell, pair[1].cell)).count();
        let rest = &mut rest[..count];
        if count == 1 || !at_once(&given, rest)? {
            each(&given, rest, |given, level| {
                let team = parallel::team(level.cell.operations(given.x));
                level.cell.prepare(given, &team, level.cache)?;
                let output = output(level.cell, level.target);
                run_passes(&team, [level.cell.forward(given, output, level.cache, team.size())]);
                finish(given, level)
            })?;
        }
        done += count;
    }
    Ok(())
}

/// Visits every level, the lowest first, with what it is given.
fn each(
    given: &Given<'_>,
    levels: &mut [Level<'_>],
    mut visit: impl FnMut(&Given<'_>, &mut Level<'_>) -> Result<()>,
) -> Result<()> {
    for i in 0..levels.len() {
        let (below, rest) = levels.split_at_mut(i);
        let x = below.last().map_or(given.x, |below| &*below.target);
        let level = &mut rest[0];
        visit(&Given { x, initial: level.initial, random: level.random, ..*given }, level)?;
    }
    Ok(())
}

/// Where the outputs of all steps go, if they are wanted.
fn output<'a>(cell: &Recurrence, target: &'a mut Tensor) -> Option<Columns<'a>> {
    cell.return_sequences.then(|| Columns::all(target.floats_mut(), cell.units))
}

fn finish(given: &Given<'_>, Level { cell, cache, target, .. }: &mut Level<'_>) -> Result<()> {
    cell.finish(given, target.floats_mut(), cell.units, cache);
    Ok(())
}

/// Whether a cell takes in what another gives out step by step, so that both can be computed at the same time.
fn can_follow(given: &Given<'_>, below: &Recurrence, cell: &Recurrence) -> bool {
    let are_lstms = [below, cell].into_iter().all(|cell| cell.cell.as_lstm().is_some());
    are_lstms && cell.direction.follows(below.direction) && !cell.drops_inputs(given.training)
}

/// Computes several levels that can follow each other as a wavefront, if that takes less time.
///
/// # Errors
/// Where there is no memory for it.
fn at_once(given: &Given<'_>, levels: &mut [Level<'_>]) -> Result<bool> {
    let &[batch, steps, _] = given.x.sizes() else { unreachable!("the plan checked the rank") };
    if steps <= 1 {
        // A step of a stream counts every nanosecond.
        return Ok(false);
    }
    let cells =
        levels.iter().filter_map(|level| Some((level.cell.cell.as_lstm()?, level.cell.precision.on(given.isa))));
    let cells: Vec<(&Lstm, Isa)> = cells.collect();
    let mut weights: Vec<_> =
        cells.iter().zip(&*levels).map(|((cell, isa), level)| (cell.weights(*isa), level.cell.features)).collect();
    if given.x.dictionary().is_some() {
        // It is projected before the pass.
        weights[0].1 = 0;
    }
    let team = parallel::team(levels.iter().map(|level| level.cell.operations(given.x)).sum());
    let Some(split) = Split::of_stack(team.size(), (batch, steps), &weights) else { return Ok(false) };
    each(given, levels, |given, level| level.cell.prepare(given, &team, level.cache))?;
    let ranks = split.ranks(&levels[0].cache.order, weights[0].0);
    let mut x = Some(given.x);
    let passes = cells.into_iter().zip(&mut *levels).map(|((lstm, isa), Level { cell, cache, target, .. })| {
        lstm.pass(isa, x.take(), given.training, output(cell, target), cache, split)
    });
    Stack::new(passes, &ranks).run(&team);
    each(given, levels, finish)?;
    Ok(true)
}
