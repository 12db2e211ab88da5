//! Who works on which chain.

/// Chains of links: the links of one are to be done one after another, those of different chains in any order.
pub(super) struct Chains {
    /// Of each.
    links: usize,
    /// How many links of each are done.
    done: Vec<usize>,
    /// Whether a thread has it in hand.
    held: Vec<bool>,
}

impl Chains {
    pub(super) fn new(chains: usize, links: usize) -> Chains {
        Chains { links, done: vec![0; chains], held: vec![false; chains] }
    }

    /// Gives out the next link of a chain that nobody has in hand: of `home`, unless one is behind it by two, then of the one
    /// that is most behind.
    pub(super) fn take(&mut self, home: usize) -> Option<(usize, usize)> {
        let all = (home..self.done.len()).chain(0..home);
        let free = all.filter(|&chain| !self.held[chain] && self.done[chain] < self.links);
        // `home` comes first, and is taken for one link further behind than it is.
        let chain = free.min_by_key(|&chain| self.done[chain] + usize::from(chain != home))?;
        self.held[chain] = true;
        Some((chain, self.done[chain]))
    }

    /// Takes a link back that is done, and gives out another, of the same chain if it may.
    pub(super) fn next(&mut self, chain: usize) -> Option<(usize, usize)> {
        self.done[chain] += 1;
        self.held[chain] = false;
        self.take(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets threads of these speeds, links an hour, do all links; returns the hours it takes and how often one changed
    /// its chain.
    fn work(chains: usize, links: usize, speeds: &[f64]) -> (f64, usize) {
        let mut all = Chains::new(chains, links);
        let mut seen = vec![0; chains];
        let (mut end, mut changes) = (0.0f64, 0);
        let begin = |member: usize, all: &mut Chains| all.take(member * chains / speeds.len());
        let mut hands: Vec<_> = (0..speeds.len()).map(|m| (1.0 / speeds[m], begin(m, &mut all))).collect();
        while let Some(member) =
            (0..speeds.len()).filter(|&m| hands[m].1.is_some()).min_by(|&a, &b| hands[a].0.total_cmp(&hands[b].0))
        {
            let (hour, Some((chain, link))) = hands[member] else { unreachable!() };
            assert_eq!(link, seen[chain]);
            seen[chain] += 1;
            end = end.max(hour);
            let next = all.next(chain);
            changes += usize::from(next.is_some_and(|(next, _)| next != chain));
            hands[member] = (hour + 1.0 / speeds[member], next);
        }
        assert!(seen.iter().all(|&seen| seen == links));
        (end, changes)
    }

    #[test]
    fn every_link_is_done_in_order_and_slow_threads_do_fewer() {
        // 48 links at 1.75 a unit of time.
        let (end, _) = work(3, 16, &[1.0, 0.75]);
        assert!(end <= 48.0 / 1.75 + 2.0 / 0.75, "{end}");
        let (end, _) = work(22, 16, &[1.0, 1.0, 0.75, 1.0, 0.7, 1.0, 1.0, 1.0]);
        assert!(end <= 22.0 * 16.0 / 7.45 + 2.0 / 0.7, "{end}");
    }

    #[test]
    fn threads_keep_to_their_chains() {
        assert_eq!(work(4, 16, &[1.0; 4]), (16.0, 0));
        // Of two each, until the other is two links behind.
        let (end, changes) = work(6, 30, &[1.0; 3]);
        assert!(end == 60.0 && changes <= 45, "{end} {changes}");
    }
}
