//! How a pass is shared by threads.

use std::cell::Cell;
use std::ops::Range;

use super::Order;
use super::accumulate::PANEL_VECTORS;
use super::hands::Hand;
use crate::parallel::{Barrier, Team};
use crate::simd::FlushDenormals;

/// The fewest steps of a link, and the most links: some tens of microseconds of the smallest cells, beside which it costs
/// nothing to take the next; and so many that threads end together but for a thirtieth of their time.
pub(super) const LINK_STEPS: usize = 6;
pub(super) const MOST_LINKS: usize = 32;

/// Ranks of an item: four full tiles.
const ITEM_RANKS: usize = 24;

/// Multiply-adds of vectors from which an item is worth an entry in a [`Hand`]: some microseconds.
const ITEM_OPERATIONS: usize = 20_000;

/// The members of a pass: one for each pair of a run of ranks and a run of panels.
pub(super) struct Members {
    ranks: Vec<Range<usize>>,
    panels: Vec<Range<usize>>,
    /// One for each run of ranks.
    barriers: Vec<Barrier>,
    /// One a member, where members that meet take items from each other.
    hands: Vec<Hand>,
}

/// Whether members with so many ranks each, and weights of `depth` rows, take items from each other.
pub(crate) fn is_dealt(ranks: usize, columns: usize, depth: usize) -> bool {
    columns > 1 && ranks.min(ITEM_RANKS) * depth * PANEL_VECTORS >= ITEM_OPERATIONS
}

impl Members {
    /// Of `ranks`, which together are `0..batch`, times `columns` runs of the panels, or fewer where there are not so many. The
    /// weights of a panel have `depth` rows; `None` where members keep to their own columns.
    ///
    /// # Panics
    /// Where the ranks are not those.
    pub(super) fn new(
        ranks: Vec<Range<usize>>,
        batch: usize,
        columns: usize,
        panels: usize,
        depth: Option<usize>,
    ) -> Members {
        assert!(ranks.first().is_some_and(|first| first.start == 0));
        assert!(ranks.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(ranks.last().is_some_and(|last| last.end == batch));
        let columns = columns.clamp(1, panels.max(1));
        let items = panels.saturating_mul(batch.div_ceil(ITEM_RANKS));
        let is_worth_it = |depth| is_dealt(batch.div_ceil(ranks.len()), columns, depth);
        let dealt = depth.is_some_and(is_worth_it) && items < Hand::MOST;
        Members {
            barriers: ranks.iter().map(|_| Barrier::new(columns)).collect(),
            hands: (0..if dealt { ranks.len() * columns } else { 0 }).map(|_| Hand::default()).collect(),
            ranks,
            panels: (0..columns).map(|i| i * panels / columns..(i + 1) * panels / columns).collect(),
        }
    }

    /// Of `ranks` alone, which never wait for each other.
    ///
    /// # Panics
    /// As [`Members::new`].
    pub(super) fn of_ranks(ranks: Vec<Range<usize>>, batch: usize) -> Members {
        Members::new(ranks, batch, 1, 1, None)
    }

    pub(super) fn count(&self) -> usize {
        self.ranks.len() * self.panels.len()
    }

    /// Whether members wait for each other.
    pub(super) fn meets(&self) -> bool {
        self.panels.len() > 1
    }

    /// Into how many links of `rows` rows or more to cut a member's share: one, where members meet or there is but one,
    /// else whole fours, that the links of a few members fall evenly to a few threads.
    pub(super) fn links(&self, order: &Order, rows: usize) -> usize {
        if self.meets() || self.count() == 1 {
            return 1;
        }
        let least = rows * self.count() / order.batch().max(1);
        let links = (order.steps() / least.max(LINK_STEPS)).clamp(1, MOST_LINKS);
        if links < 4 { links } else { links / 4 * 4 }
    }

    pub(super) fn get(&self, member: usize) -> Member<'_> {
        let columns = self.panels.len();
        let part = member / columns;
        Member {
            ranks: self.ranks[part].clone(),
            panels: &self.panels,
            column: member % columns,
            hands: if self.hands.is_empty() { &[] } else { &self.hands[part * columns..(part + 1) * columns] },
            barrier: (columns > 1).then(|| &self.barriers[part]),
            round: Cell::new(0),
        }
    }
}

/// One member's share.
pub(super) struct Member<'a> {
    pub(super) ranks: Range<usize>,
    /// Of every member with these ranks.
    panels: &'a [Range<usize>],
    /// Which of them it is.
    column: usize,
    /// Of every member with these ranks; empty where each keeps to its own panels.
    hands: &'a [Hand],
    barrier: Option<&'a Barrier>,
    /// How often items were dealt.
    round: Cell<u16>,
}

/// A panel for some ranks.
pub(super) struct Item {
    pub(super) panel: usize,
    pub(super) ranks: Range<usize>,
    /// The panel that this member comes to next, if it is known.
    pub(super) next: Option<usize>,
    /// Which of how many runs of the member's ranks these are.
    pub(super) part: (usize, usize),
}

impl Item {
    /// The ranks among the first `active`.
    #[inline(always)]
    pub(super) fn among(&self, active: usize) -> Range<usize> {
        among(&self.ranks, active)
    }
}

/// Those of some ranks that are among the first `active`.
fn among(ranks: &Range<usize>, active: usize) -> Range<usize> {
    ranks.start..ranks.end.min(active).max(ranks.start)
}

impl Member<'_> {
    /// What the member computes of a step: its own panels, there and back in turn, for what was read last is still in the
    /// cache, where all of it does not fit. Where members meet and an item is worth it, those that are done go on with what
    /// the slower ones have not begun. All members with the same ranks have to come equally often, with the same turns.
    #[inline(always)]
    pub(super) fn items(&self, turn: usize) -> Items<'_> {
        self.round.set(self.round.get().wrapping_add(1));
        let runs = if self.hands.is_empty() { 1 } else { self.ranks.len().div_ceil(ITEM_RANKS) };
        Items { member: self, backwards: Self::goes_back(turn), runs, given: 0, distance: 0 }
    }

    /// Whether others may compute items of this member, and it items of theirs.
    pub(super) fn is_dealt(&self) -> bool {
        !self.hands.is_empty()
    }

    /// Whether it takes its panels from the last to the first in a turn.
    #[inline(always)]
    pub(super) fn goes_back(turn: usize) -> bool {
        !turn.is_multiple_of(2)
    }

    /// The panels of its own.
    #[inline(always)]
    pub(super) fn panels(&self) -> Range<usize> {
        self.panels[self.column].clone()
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
        among(&self.ranks, active)
    }

    pub(super) fn meet(&self) {
        if let Some(barrier) = self.barrier {
            barrier.wait();
        }
    }
}

/// The items that one member gets of a round.
pub(super) struct Items<'a> {
    member: &'a Member<'a>,
    backwards: bool,
    /// Runs of ranks.
    runs: usize,
    /// How many of its own it has had, where nobody takes them.
    given: usize,
    /// How many columns after its own the one is that it takes from.
    distance: usize,
}

impl Items<'_> {
    /// The `place`th panel of a column for a run of ranks.
    #[inline(always)]
    fn item(&self, column: usize, place: usize, run: usize) -> Item {
        let Range { start, end } = self.member.panels[column];
        let ranks = &self.member.ranks;
        let from = ranks.start + run * ITEM_RANKS;
        let to = if run + 1 < self.runs { from + ITEM_RANKS } else { ranks.end };
        let (panel, next) = if self.backwards {
            (end - 1 - place, (end - 1 - place).wrapping_sub(1))
        } else {
            (start + place, start + place + 1)
        };
        let next = if place + 1 < end - start { Some(next) } else { None };
        Item { panel, ranks: from..to, next, part: (run, self.runs) }
    }

    /// An item that nobody has begun: of its own column, else of another's.
    #[inline(never)]
    fn dealt(&mut self) -> Option<Item> {
        let Member { panels, column, hands, round, .. } = self.member;
        while self.distance < hands.len() {
            let column = (column + self.distance) % hands.len();
            let items = panels[column].len() * self.runs;
            let is_others = self.distance > 0;
            if let Some(item) = hands[column].take(round.get(), items, is_others) {
                let item = self.item(column, item / self.runs, item % self.runs);
                return Some(Item { next: item.next.filter(|_| !is_others), ..item });
            }
            self.distance += 1;
        }
        None
    }
}

impl Iterator for Items<'_> {
    type Item = Item;

    #[inline(always)]
    fn next(&mut self) -> Option<Item> {
        let member = self.member;
        if !member.hands.is_empty() {
            return self.dealt();
        }
        let place = self.given;
        self.given += 1;
        if place < member.panels().len() { Some(self.item(member.column, place, 0)) } else { None }
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
    /// Computes a link of one member's share.
    ///
    /// # Safety
    /// Each link must be computed once, those of a member in order, each by a thread that sees what the one before wrote; where
    /// members meet, by as many threads at the same time as there are members.
    unsafe fn run(&self, member: usize, link: usize);
}

/// Runs passes at the same time; where members meet and the team is not large enough for all of them, one pass after the
/// other. Flushes denormals.
///
/// # Panics
/// Where the members of a pass meet, and are more than the team has threads.
pub fn run_passes<const N: usize>(team: &Team, passes: [Box<dyn Pass + '_>; N]) {
    run_all(team, &passes);
}

/// As [`run_passes`], which sees by owning them that nobody else runs them.
fn run_all(team: &Team, passes: &[Box<dyn Pass + '_>]) {
    if let [pass] = passes
        && pass.count() == 1
    {
        // A step of a stream counts every nanosecond.
        let _flush = FlushDenormals::new();
        // SAFETY: one member on one thread, its links in order.
        return (0..pass.links()).for_each(|link| unsafe { pass.run(0, link) });
    }
    let count = passes.iter().map(|pass| pass.count()).sum();
    let links = passes.iter().map(|pass| pass.links()).max().unwrap_or(0);
    let run = |mut member: usize, link: usize| {
        for pass in passes {
            match member.checked_sub(pass.count()) {
                Some(rest) => member = rest,
                // SAFETY: `chains` and, where members meet, `together` call this for every link as it has to be called.
                None if link < pass.links() => return unsafe { pass.run(member, link) },
                None => return,
            }
        }
    };
    if !passes.iter().any(|pass| pass.meets()) {
        team.chains(count, links, run);
    } else if count <= team.size() || passes.len() == 1 {
        team.together(count, |member| (0..links).for_each(|link| run(member, link)));
    } else {
        passes.chunks(1).for_each(|pass| run_all(team, pass));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(items: impl Iterator<Item = Item>) -> Vec<(usize, usize)> {
        items.map(|item| (item.panel, item.ranks.start)).collect()
    }

    #[test]
    fn who_is_done_takes_the_last_items_of_others() {
        let members = Members::new(std::iter::once(0..60).collect(), 60, 2, 5, Some(256));
        let (first, second) = (members.get(0), members.get(1));
        assert!(first.is_dealt());
        for turn in 0..4 {
            let mut own = second.items(turn);
            let begun = places(own.by_ref().take(2));
            // Panels 2 to 4 in three runs of ranks, there and back in turn.
            assert_eq!(begun, [(if turn % 2 == 0 { 2 } else { 4 }, 0), (begun[0].0, 24)]);
            let mut all = places(first.items(turn));
            assert_eq!(all.len(), 13);
            assert_eq!(all[6], (if turn % 2 == 0 { 4 } else { 2 }, 48));
            assert!(own.next().is_none());
            all.extend(begun);
            all.sort_unstable();
            let whole: Vec<_> = (0..5).flat_map(|panel| [0, 24, 48].map(|rank| (panel, rank))).collect();
            assert_eq!(all, whole);
        }
    }

    #[test]
    fn small_steps_are_not_worth_it() {
        let members = Members::new(vec![0..4, 4..9], 9, 2, 5, Some(100));
        assert!(members.meets() && !members.get(3).is_dealt());
        assert_eq!(places(members.get(3).items(1)), [(4, 4), (3, 4), (2, 4)]);
    }
}
