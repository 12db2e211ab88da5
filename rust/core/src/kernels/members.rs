//! How a pass is shared by threads.

use std::ops::Range;

use super::Order;
use crate::parallel::{Barrier, Team};

/// The fewest steps of a link, and the most links: some tens of microseconds of the smallest cells, beside which it costs
/// nothing to take the next; and so many that threads end together but for a thirtieth of their time.
const LINK_STEPS: usize = 6;
const MOST_LINKS: usize = 32;

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

    /// Whether members wait for each other.
    pub(super) fn meets(&self) -> bool {
        self.panels.len() > 1
    }

    /// Into how many links of `least` steps or more to cut a member's share: one, where members meet or there is but one.
    pub(super) fn links(&self, order: &Order, least: usize) -> usize {
        if self.meets() || self.count() == 1 { 1 } else { (order.steps() / least.max(LINK_STEPS)).clamp(1, MOST_LINKS) }
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

    /// The steps of one of `links` links.
    pub(super) fn link(&self, order: &Order, link: usize, links: usize) -> Range<usize> {
        let steps = self.steps(order);
        link * steps / links..(link + 1) * steps / links
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

/// A pass through time cut into members.
pub trait Pass: Sync {
    /// How many members there are.
    fn count(&self) -> usize;
    /// Whether members wait for each other, so that all must run at the same time.
    fn meets(&self) -> bool {
        false
    }
    /// Into how many links, to be computed one after another, each member's share is cut: one where they meet.
    fn links(&self) -> usize {
        1
    }
    /// Computes a link of one member's share; each is to be computed once.
    fn run(&self, member: usize, link: usize);
}

/// Runs passes at the same time; where members meet and the team is not large enough for all of them, one pass after the
/// other.
///
/// # Panics
/// Where the members of a pass meet, and are more than the team has threads.
pub(crate) fn run_passes(team: &Team, passes: &[&dyn Pass]) {
    let count = passes.iter().map(|pass| pass.count()).sum();
    let links = passes.iter().map(|pass| pass.links()).max().unwrap_or(0);
    let run = |mut member: usize, link: usize| {
        for pass in passes {
            match member.checked_sub(pass.count()) {
                Some(rest) => member = rest,
                None if link < pass.links() => return pass.run(member, link),
                None => return,
            }
        }
    };
    if !passes.iter().any(|pass| pass.meets()) {
        team.chains(count, links, run);
    } else if count <= team.size() || passes.len() == 1 {
        team.together(count, |member| (0..links).for_each(|link| run(member, link)));
    } else {
        passes.iter().for_each(|&pass| run_passes(team, &[pass]));
    }
}
