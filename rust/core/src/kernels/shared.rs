//! Memory that the members of one computation write, each its own part.

use std::marker::PhantomData;

/// An exclusive borrow whose floats are handed out one by one: who writes which is the kernel's promise.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    base: *mut f32,
    len: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is no more than an address; reading and writing through it is what is unsafe.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(floats: &'a mut [f32]) -> Self {
        Shared { base: floats.as_mut_ptr(), len: floats.len(), borrow: PhantomData }
    }

    pub(super) fn len(self) -> usize {
        self.len
    }

    /// The address of a float.
    ///
    /// # Safety
    /// `index` must not be beyond the length.
    #[inline(always)]
    pub(super) unsafe fn at(self, index: usize) -> *mut f32 {
        debug_assert!(index <= self.len);
        // SAFETY: the caller's promise.
        unsafe { self.base.add(index) }
    }
}
