//! How a pass is shared by threads.

use std::ops::Range;

use super::Order;
use crate::parallel::Barrier;

/// The members of a pass: one for each pair of a run of ranks and a run of panels.
pub(super) struct Members {
    ranks: Vec<Range<usize>>,
    panels: Vec<Range<usize>>,
    /// One for each run of ranks.
    barriers: Vec<Barrier>,
}

impl Members {
    /// Of `ranks`, which together are `0..batch`, times `columns` runs of the panels, or fewer where there are not so many.
    ///
    /// # Panics
    /// Where the ranks are not those.
    pub(super) fn new(ranks: Vec<Range<usize>>, batch: usize, columns: usize, panels: usize) -> Members {
        assert!(ranks.first().is_some_and(|first| first.start == 0));
        assert!(ranks.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(ranks.last().is_some_and(|last| last.end == batch));
        let columns = columns.clamp(1, panels.max(1));
        Members {
            barriers: ranks.iter().map(|_| Barrier::new(columns)).collect(),
            ranks,
            panels: (0..columns).map(|i| i * panels / columns..(i + 1) * panels / columns).collect(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.ranks.len() * self.panels.len()
    }

    pub(super) fn get(&self, member: usize) -> Member<'_> {
        let (part, column) = (member / self.panels.len(), member % self.panels.len());
        Member {
            ranks: self.ranks[part].clone(),
            panels: self.panels[column].clone(),
            barrier: (self.panels.len() > 1).then(|| &self.barriers[part]),
        }
    }
}

/// One member's share.
pub(super) struct Member<'a> {
    pub(super) ranks: Range<usize>,
    pub(super) panels: Range<usize>,
    barrier: Option<&'a Barrier>,
}

impl Member<'_> {
    /// The panels, each with the one after it, there and back in turn: what was read last is still in the cache, where all
    /// of it does not fit.
    pub(super) fn panels(&self, turn: usize) -> impl Iterator<Item = (usize, Option<usize>)> {
        let Range { start, end } = self.panels;
        (start..end).map(move |panel| {
            if turn.is_multiple_of(2) {
                (panel, Some(panel + 1).filter(|&next| next < end))
            } else {
                let panel = start + end - 1 - panel;
                (panel, panel.checked_sub(1).filter(|&next| next >= start))
            }
        })
    }

    /// How many steps the longest of its sequences has, which is the first.
    pub(super) fn steps(&self, order: &Order) -> usize {
        self.ranks.clone().next().map_or(0, |rank| order.lengths()[rank])
    }

    /// The ranks among the first `active`.
    pub(super) fn among(&self, active: usize) -> Range<usize> {
        self.ranks.start..self.ranks.end.min(active).max(self.ranks.start)
    }

    pub(super) fn meet(&self) {
        if let Some(barrier) = self.barrier {
            barrier.wait();
        }
    }
}

/// A pass through time cut into members, to be run all at once.
pub trait Pass: Sync {
    /// How many members there are.
    fn count(&self) -> usize;
    /// Computes one member's share. All must run at the same time, each once.
    fn run(&self, member: usize);
}
