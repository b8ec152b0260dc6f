//! Which processors this process may use, and pinning a thread to one.

use std::io;

/// The processors of the affinity mask, in their order.
pub fn available_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: an all-zero set is a valid empty one; its true size is given and the kernel writes within it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &set)).collect())
    }
}

/// Pins the calling thread.
pub fn pin_to(cpu: usize) -> io::Result<()> {
    // SAFETY: as above; `CPU_SET` checks its index against the set's size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        if libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
