//! The allocator: where huge pages are worth it, and giving memory back to the system after a burst.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};

/// mimalloc: every core has its own heap, and records cross from one to another, which it is made for.
///
/// Not the `mimalloc` crate, which asks for an alignment each time: where the size is no power of two that takes the slow
/// path and more memory than asked for (seven times in a request). Every block is aligned to 16 bytes as it is.
pub struct Mimalloc;

/// Whether any block that is large enough is aligned enough (mimalloc's MI_MAX_ALIGN_SIZE).
#[inline]
fn is_natural(layout: Layout) -> bool {
    const NATURAL: usize = 16;
    layout.align() <= NATURAL && layout.align() <= layout.size()
}

// SAFETY: mimalloc keeps the contract of an allocator. A block of `size` bytes is aligned to 16, or where it is smaller
// to the largest power of two that is not above its size, so only other alignments have to be asked for; and
// `mi_free` and both kinds of `mi_realloc` take blocks from either kind of call.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and any power of two may be asked for.
        unsafe {
            match is_natural(layout) {
                true => mi_malloc(layout.size()).cast(),
                false => mi_malloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            match is_natural(layout) {
                true => mi_zalloc(layout.size()).cast(),
                false => mi_zalloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller gives back what it got here.
        unsafe { mi_free(block.cast()) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller gives back what it got here.
        unsafe {
            match is_natural(layout) && layout.align() <= size {
                true => mi_realloc(block.cast(), size).cast(),
                false => mi_realloc_aligned(block.cast(), size, layout.align()).cast(),
            }
        }
    }
}

/// Notices when a burst of requests is over. Told at every tick how many have ended in it.
#[derive(Default)]
pub struct Quiet {
    /// Something has ended since memory was last given back.
    used: bool,
    calm_ticks: u32,
    ticks_since: u32,
}

impl Quiet {
    /// Ticks of 50 ms.
    const CALM_TICKS: u32 = 2;
    /// Not more often than once a second.
    const REST_TICKS: u32 = 20;
    const BUSY_REQUESTS: u64 = 5;

    /// True once, a tenth of a second after many requests were followed by few.
    pub fn begins(&mut self, finished: u64) -> bool {
        self.ticks_since = self.ticks_since.saturating_add(1);
        if finished >= Self::BUSY_REQUESTS {
            (self.used, self.calm_ticks) = (true, 0);
            return false;
        }
        self.calm_ticks += 1;
        let begins = self.used && self.calm_ticks >= Self::CALM_TICKS && self.ticks_since >= Self::REST_TICKS;
        if begins {
            *self = Self::default();
        }
        begins
    }
}

thread_local! {
    /// Where this thread's memory was made of huge pages.
    static HUGE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Has the memory around `block`, which this thread allocated, made of a huge page. For what is used all the time: with 256
/// requests under way small pages cost up to a fifth of the CPU (perf/results/2026-11-25-routing.md). Not for the whole
/// process, as the allocator would: each of its threads has two megabytes of its own then, and uses a tenth of them.
pub fn prefer_huge_page(block: *const u8) {
    const HUGE_BYTES: usize = 2 << 20;
    /// Linux 6.1: at once, though parts of it are in use.
    const MADV_COLLAPSE: libc::c_int = 25;
    let start = block.addr() & !(HUGE_BYTES - 1);
    let is_new = HUGE.with_borrow_mut(|known| {
        let is_new = !known.contains(&start);
        if is_new {
            known.push(start);
        }
        is_new
    });
    if is_new {
        let range = block.with_addr(start).cast_mut().cast();
        // SAFETY: this changes how memory is held, not what is in it. Where it is refused, or not all of the range is
        // there, all stays as it was.
        unsafe {
            libc::madvise(range, HUGE_BYTES, libc::MADV_HUGEPAGE);
            libc::madvise(range, HUGE_BYTES, MADV_COLLAPSE);
        }
    }
}

/// Returns what this thread's heap no longer uses. For quiet moments: it takes tens of microseconds. Without it the
/// memory of a burst stays with the process until the next one.
pub fn give_back_memory() {
    // What is given back was cut out of huge pages.
    HUGE.with_borrow_mut(Vec::clear);
    // SAFETY: collecting touches only memory that nobody uses.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_aligned_as_asked() {
        let allocator = Mimalloc;
        for align in (0..8).map(|bits| 1_usize << bits) {
            for size in (1..300).chain([1000, 1024, 1025, 4224, 70_000, 3 << 20]) {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                // SAFETY: a block is used within its size and given back once.
                unsafe {
                    let aligned = |block: *mut u8| !block.is_null() && block.addr().is_multiple_of(align);
                    let block = allocator.alloc(layout);
                    assert!(aligned(block), "{size} bytes aligned to {align}");
                    block.add(size - 1).write(7);
                    let grown = allocator.realloc(block, layout, size + 1000);
                    assert!(aligned(grown) && grown.add(size - 1).read() == 7);
                    let layout = Layout::from_size_align(size + 1000, align).expect("a layout");
                    let small = allocator.realloc(grown, layout, 1);
                    assert!(aligned(small));
                    allocator.dealloc(small, Layout::from_size_align(1, align).expect("a layout"));
                    let zeroed = allocator.alloc_zeroed(Layout::from_size_align(size, align).expect("a layout"));
                    assert!(aligned(zeroed) && zeroed.add(size - 1).read() == 0);
                    allocator.dealloc(zeroed, Layout::from_size_align(size, align).expect("a layout"));
                }
            }
        }
    }

    #[test]
    fn quiet_begins_once_after_a_burst_and_not_more_than_once_a_second() {
        let mut quiet = Quiet::default();
        let mut ticks = |finished: u64, count: usize| (0..count).filter(|_| quiet.begins(finished)).count();
        assert_eq!(ticks(0, 100), 0, "nothing has happened");
        assert_eq!(ticks(500, 30), 0, "busy");
        assert_eq!(ticks(0, 2), 1, "calm for a tenth of a second");
        assert_eq!(ticks(0, 100), 0, "said already");
        assert_eq!(ticks(500, 1) + ticks(0, 100), 1);
        assert_eq!((0..10).map(|_| ticks(500, 1) + ticks(0, 3)).sum::<usize>(), 2, "forty ticks are two seconds");
    }
}
