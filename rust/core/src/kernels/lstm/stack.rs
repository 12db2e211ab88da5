//! Forward passes one above the other.

use std::ops::Range;

use super::forward::{Forward, ForwardMembers, Input};
use crate::kernels::members::{LINK_STEPS, MOST_LINKS, Pass};
use crate::parallel::Team;

/// Passes one above the other, of which each takes what the one below it gives out.
///
/// They are computed as a wavefront: a pass follows the one below it a link behind, so that all of them are computed at the
/// same time, where a batch alone would not keep all threads busy.
pub struct Stack<'a> {
    /// The lowest first.
    levels: Vec<ForwardMembers<'a>>,
    runs: usize,
    links: usize,
}

/// Rows of a link from which reading `W` for them costs little: two full tiles.
const LINK_ROWS: usize = 12;

/// Into how many links the steps of a batch are cut, of which each run of ranks has its share.
pub fn stack_links(batch: usize, steps: usize, runs: usize) -> usize {
    let rows = batch.div_ceil(runs.max(1)).max(1);
    steps.div_ceil(LINK_ROWS.div_ceil(rows).max(LINK_STEPS)).clamp(1, MOST_LINKS)
}

impl<'a> Stack<'a> {
    /// Of passes, the lowest first, cut into these runs of ranks. All but the lowest have
    /// [`Rows::none`](crate::kernels::Rows::none) as `x`, whose place the outputs below take.
    ///
    /// # Panics
    /// As [`Forward::members`]; where a pass does not take in, step by step, what the one below it gives out.
    pub fn new(passes: impl IntoIterator<Item = Forward<'a>>, ranks: &[Range<usize>]) -> Self {
        let mut levels: Vec<ForwardMembers<'a>> = Vec::new();
        let mut links = 1;
        for mut pass in passes {
            match levels.last() {
                None => links = stack_links(pass.order.batch(), pass.order.steps(), ranks.len()),
                Some(below) => {
                    let output = below.output().expect("a pass below another gives its outputs");
                    assert!(pass.order.follows(below.order()), "the steps of two passes are not the same");
                    let (Input::Fused(projection) | Input::Ahead(projection, _)) = &mut pass.input else {
                        panic!("a pass above another multiplies what that gives");
                    };
                    assert_eq!(projection.x.len(), 0);
                    // SAFETY: its steps are those of the pass below, whose links `run` has computed before the same links of
                    // this one, for the same ranks.
                    projection.x = unsafe { output.picked(pass.order.inputs()) };
                }
            }
            levels.push(pass.members(ranks.to_vec(), 1).cut(links));
        }
        Stack { levels, runs: ranks.len(), links }
    }

    /// Computes them. Flushes denormals.
    pub fn run(self, team: &Team) {
        let Stack { levels, runs, links } = &self;
        // SAFETY: `wavefront` calls this once for every link, those of a member in order, each after the same one below.
        team.wavefront(levels.len(), *runs, *links, |member, link| unsafe {
            levels[member / runs].run(member % runs, link);
        });
    }
}
