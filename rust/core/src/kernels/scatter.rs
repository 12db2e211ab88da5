//! Sums of rows that belong together.

use std::ops::Range;

use super::accumulate::LINE;
use super::rows::Rows;
use super::shared::Shared;
use super::volume;
use crate::parallel::{self, Team};
use crate::simd::{Isa, Kernel, Simd};

/// How many rows before its turn a row of so many floats is asked for. Rows and sums lie anywhere, so that nothing else foretells
/// which is next; 64 lines are a fraction of the first-level cache.
fn ahead(floats: usize) -> usize {
    (64 / floats.div_ceil(LINE).max(1)).clamp(1, 16)
}

/// `target[index[n]] += rows[n]` for every row.
pub struct AddByIndex<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The rows.
    pub rows: Rows<'a>,
    /// For each row that of the target.
    pub index: &'a [u32],
    /// Row-major, as wide as the rows.
    pub target: &'a mut [f32],
}

impl AddByIndex<'_> {
    /// Adds them on all threads of a team, in order: the bits do not depend on the number of threads.
    ///
    /// # Panics
    /// Where a row or a target is not there.
    pub fn run(self, team: &Team) {
        let AddByIndex { isa, rows, index, target } = self;
        rows.check(index.len(), rows.width);
        let targets = index.iter().max().map_or(0, |&last| last as usize + 1);
        assert!(target.len() >= volume(&[targets, rows.width]));
        let target = Shared::new(target);
        by_columns(rows.width, team, |columns| isa.dispatch(Addition { rows, index, target, columns }));
    }
}

/// Numbers sorted by the group that each belongs to.
#[derive(Default)]
pub struct Groups {
    /// Where each group starts among the members, and the last one ends.
    starts: Vec<u32>,
    /// The numbers, group after group, ascending in each.
    members: Vec<u32>,
}

impl Groups {
    /// Sorts `0..groups_of.len()` by group, of which there are `count`.
    ///
    /// # Panics
    /// Where a group is not one of those; where there are 2³² numbers.
    pub fn set(&mut self, groups_of: &[u32], count: usize) {
        assert!(u32::try_from(groups_of.len()).is_ok());
        self.starts.clear();
        self.starts.resize(count + 1, 0);
        for &group in groups_of {
            self.starts[group as usize] += 1;
        }
        let mut end = 0;
        for start in &mut self.starts {
            end += *start;
            *start = end;
        }
        self.members.resize(groups_of.len(), 0);
        for (number, &group) in groups_of.iter().enumerate().rev() {
            let start = &mut self.starts[group as usize];
            *start -= 1;
            self.members[*start as usize] = number as u32;
        }
    }
}

/// `target[g] = Σ rows[n]` over the members of each group; 0 for one without members.
pub struct SumGroups<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The rows.
    pub rows: Rows<'a>,
    /// Which belong together.
    pub groups: &'a Groups,
    /// `groups x rows.width`, row-major.
    pub target: &'a mut [f32],
}

impl SumGroups<'_> {
    /// Sums them on all threads of a team, the members of each group in order: the bits do not depend on the number of threads.
    ///
    /// # Panics
    /// Where a row is not there, or the target has not the length that the groups give it.
    pub fn run(self, team: &Team) {
        let SumGroups { isa, rows, groups, target } = self;
        rows.check(groups.members.len(), rows.width);
        assert_eq!(target.len(), volume(&[groups.starts.len().saturating_sub(1), rows.width]));
        let target = Shared::new(target);
        by_columns(rows.width, team, |columns| isa.dispatch(Sums { rows, groups, target, columns }));
    }
}

/// Runs a task for each of some runs of columns. Threads that write to the same cache lines wait for each other: a run begins at
/// a line, where rows do.
fn by_columns(width: usize, team: &Team, task: impl Fn(Range<usize>) + Sync) {
    let lines = width.div_ceil(LINE);
    let parts = parallel::ranges(lines, team.size().min(lines).max(1));
    team.run(parts.map(|lines| lines.start * LINE..(lines.end * LINE).min(width)), task);
}

/// Some columns of an addition.
struct Addition<'a> {
    rows: Rows<'a>,
    index: &'a [u32],
    target: Shared<'a>,
    columns: Range<usize>,
}

impl Kernel for Addition<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Addition { rows, index, target, columns } = self;
        let ahead = ahead(columns.len());
        for (row, &to) in index.iter().enumerate() {
            // SAFETY: `run` checked every row and target; this task alone writes these columns.
            unsafe {
                if let Some(&next) = index.get(row + ahead) {
                    let next = target.at(next as usize * rows.width + columns.start);
                    for column in (0..columns.len()).step_by(LINE) {
                        simd.prefetch_to_write(next.wrapping_add(column));
                    }
                }
                let to = target.at(to as usize * rows.width + columns.start);
                add(rows.at(row).add(columns.start), to, columns.len());
            }
        }
    }
}

/// Some columns of the sums of groups.
struct Sums<'a> {
    rows: Rows<'a>,
    groups: &'a Groups,
    target: Shared<'a>,
    columns: Range<usize>,
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Sums { rows, groups: Groups { starts, members }, target, columns } = self;
        let ahead = ahead(columns.len());
        for (group, bounds) in starts.windows(2).enumerate() {
            // SAFETY: `run` checked as many rows as there are members, each of which is less than that, and every target; this task
            // alone writes these columns.
            unsafe {
                let to = target.at(group * rows.width + columns.start);
                std::slice::from_raw_parts_mut(to, columns.len()).fill(0.0);
                for member in bounds[0] as usize..bounds[1] as usize {
                    if let Some(&next) = members.get(member + ahead) {
                        let next = rows.at(next as usize).add(columns.start);
                        for column in (0..columns.len()).step_by(LINE) {
                            simd.prefetch(next.wrapping_add(column));
                        }
                    }
                    add(rows.at(members[member] as usize).add(columns.start), to, columns.len());
                }
            }
        }
    }
}

/// Adds adjacent floats to others.
///
/// # Safety
/// There must be so many, and nobody else use those that are written.
#[inline(always)]
unsafe fn add(from: *const f32, to: *mut f32, len: usize) {
    // SAFETY: the caller's promise.
    let (from, to) = unsafe { (std::slice::from_raw_parts(from, len), std::slice::from_raw_parts_mut(to, len)) };
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    #[test]
    fn groups_are_sorted_and_whole() {
        let mut groups = Groups::default();
        groups.set(&[2, 0, 2, 3, 0, 2], 5);
        assert_eq!(groups.starts, [0, 2, 2, 5, 6, 6]);
        assert_eq!(groups.members, [1, 4, 0, 2, 5, 3]);
        groups.set(&[], 1);
        assert_eq!((&*groups.starts, &*groups.members), (&[0, 0][..], &[][..]));
    }
}
