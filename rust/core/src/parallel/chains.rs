//! Who works on which chain.

/// Chains of links: the links of one are to be done one after another, those of different chains in any order. They stand in
/// levels of equally many, one above the other: a link of a chain is to be done after the same link of the chain below.
pub(super) struct Chains {
    /// Of a level.
    width: usize,
    /// Of each.
    links: usize,
    /// How many links of each are done, the lowest level first.
    done: Vec<usize>,
    /// Whether a thread has it in hand.
    held: Vec<bool>,
}

/// What there is to do.
pub(super) enum Next {
    /// This link of this chain.
    Link(usize, usize),
    /// Nothing before another link is done.
    Wait,
    /// Nothing that is not in hand already, nor anything that waits for it.
    Nothing,
}

impl Chains {
    /// `levels` of `width` chains of `links` links.
    pub(super) fn new(levels: usize, width: usize, links: usize) -> Chains {
        let all = levels * width;
        Chains { width, links, done: vec![0; all], held: vec![false; all] }
    }

    /// Gives out the next link of a chain that nobody has in hand: of `home`, unless one is behind it by two, then of the one
    /// that is most behind.
    pub(super) fn take(&mut self, home: usize) -> Next {
        let all = (home..self.done.len()).chain(0..home);
        let is_done_below = |chain: usize| chain < self.width || self.done[chain - self.width] > self.done[chain];
        let mut open = all.filter(|&chain| !self.held[chain] && self.done[chain] < self.links).peekable();
        if open.peek().is_none() {
            return Next::Nothing;
        }
        // `home` comes first, and is taken for one link further behind than it is.
        let ready = open.filter(|&chain| is_done_below(chain));
        match ready.min_by_key(|&chain| self.done[chain] + usize::from(chain != home)) {
            None => Next::Wait,
            Some(chain) => {
                self.held[chain] = true;
                Next::Link(chain, self.done[chain])
            }
        }
    }

    /// Takes a link back that is done.
    pub(super) fn give_back(&mut self, chain: usize) {
        self.done[chain] += 1;
        self.held[chain] = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets threads of these speeds, links an hour, do all links; returns the hours it takes and how often one changed
    /// its chain.
    fn work(levels: usize, width: usize, links: usize, speeds: &[f64]) -> (f64, usize) {
        let chains = levels * width;
        let mut all = Chains::new(levels, width, links);
        let mut seen = vec![0; chains];
        let (mut end, mut changes) = (0.0f64, 0);
        let mut homes: Vec<_> = (0..speeds.len()).map(|member| member * chains / speeds.len()).collect();
        // Until when each works on which chain.
        let mut hands = vec![None; speeds.len()];
        let mut hour = 0.0;
        loop {
            for member in 0..speeds.len() {
                if hands[member].is_none()
                    && let Next::Link(chain, link) = all.take(homes[member])
                {
                    assert_eq!(link, seen[chain]);
                    assert!(chain < width || seen[chain - width] > link);
                    changes += usize::from(link > 0 && chain != homes[member]);
                    (homes[member], hands[member]) = (chain, Some(hour + 1.0 / speeds[member]));
                }
            }
            let next = (0..speeds.len()).filter_map(|member| Some((member, hands[member]?)));
            let Some((member, done)) = next.min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            (hour, hands[member]) = (done, None);
            end = end.max(hour);
            seen[homes[member]] += 1;
            all.give_back(homes[member]);
        }
        assert!(seen.iter().all(|&seen| seen == links));
        (end, changes)
    }

    #[test]
    fn every_link_is_done_in_order_and_slow_threads_do_fewer() {
        // 48 links at 1.75 a unit of time.
        let (end, _) = work(1, 3, 16, &[1.0, 0.75]);
        assert!(end <= 48.0 / 1.75 + 2.0 / 0.75, "{end}");
        let (end, _) = work(1, 22, 16, &[1.0, 1.0, 0.75, 1.0, 0.7, 1.0, 1.0, 1.0]);
        assert!(end <= 22.0 * 16.0 / 7.45 + 2.0 / 0.7, "{end}");
    }

    #[test]
    fn threads_keep_to_their_chains() {
        assert_eq!(work(1, 4, 16, &[1.0; 4]), (16.0, 0));
        // Of two each, until the other is two links behind.
        let (end, changes) = work(1, 6, 30, &[1.0; 3]);
        assert!(end == 60.0 && changes <= 45, "{end} {changes}");
    }

    #[test]
    fn levels_follow_each_other() {
        // Who is done below may take the last link above.
        assert_eq!(work(2, 1, 16, &[1.0; 2]), (17.0, 1));
        let (end, changes) = work(2, 8, 16, &[1.0; 16]);
        assert!(end == 17.0 && changes <= 8, "{end} {changes}");
        // 48 links for two threads, which begin and end with one each to wait for.
        let (end, _) = work(3, 1, 16, &[1.0; 2]);
        assert!(end <= 26.0, "{end}");
        let (end, _) = work(3, 2, 16, &[1.0, 0.5]);
        assert!(end <= 96.0 / 1.5 + 4.0 / 0.5, "{end}");
    }
}
