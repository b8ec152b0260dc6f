//! How many shards, and where: the affinity mask and the cgroup's quota bound both.

use sluice::config::Shards;

/// The cores this process may use, and how many of them at a time.
pub struct Cores {
    mask: Vec<usize>,
    usable: usize,
}

impl Cores {
    pub fn of_process() -> Self {
        let mask = affinity();
        let quota = std::fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| quota_above(&text));
        // More pinned threads than the quota pays for are throttled together.
        let usable = quota.unwrap_or(usize::MAX).min(mask.len()).max(1);
        Self { mask, usable }
    }

    /// One core is left to the control core.
    pub fn shards(&self, wanted: Shards) -> usize {
        match wanted {
            Shards::Auto => self.usable.saturating_sub(1).max(1),
            Shards::Count(count) => count.max(1),
        }
    }

    /// The core a shard is pinned to; none when there is no choice, or when cores would be shared.
    pub fn pin(&self, shard: usize, shards: usize) -> Option<usize> {
        let apart = self.usable > 1 && shards <= self.mask.len();
        self.mask.get(shard).copied().filter(|_| apart)
    }
}

fn affinity() -> Vec<usize> {
    // SAFETY: the set is plain bits, its size is given, and pid 0 is this thread.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return vec![0];
        }
        set
    };
    // SAFETY: the index is below the set's size.
    let isset = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    (0..libc::CPU_SETSIZE as usize).filter(isset).collect()
}

/// The smallest quota from this process's cgroup (v2) up to the root, in whole cores.
fn quota_above(proc_cgroup: &str) -> Option<usize> {
    let path = proc_cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = std::path::Path::new("/sys/fs/cgroup").join(path);
    let groups = group.ancestors().take_while(|group| group.starts_with("/sys/fs/cgroup"));
    groups.filter_map(|group| quota(&std::fs::read_to_string(group.join("cpu.max")).ok()?)).min()
}

/// `cpu.max`: `max 100000`, or microseconds of each period.
fn quota(cpu_max: &str) -> Option<usize> {
    let (quota, period) = cpu_max.trim().split_once(' ')?;
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    Some(quota.checked_div(period)?.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_whole_cores_and_at_least_one() {
        assert_eq!(quota("max 100000\n"), None);
        assert_eq!(quota("250000 100000\n"), Some(2));
        assert_eq!(quota("50000 100000\n"), Some(1));
        assert_eq!(quota("1 0"), None);
        assert_eq!(quota("nonsense"), None);
    }

    #[test]
    fn one_core_is_left_to_the_control_core() {
        let cores = |mask: usize, usable| Cores { mask: (0..mask).collect(), usable };
        assert_eq!(cores(1, 1).shards(Shards::Auto), 1);
        assert_eq!(cores(2, 2).shards(Shards::Auto), 1);
        assert_eq!(cores(8, 8).shards(Shards::Auto), 7);
        assert_eq!(cores(8, 3).shards(Shards::Auto), 2);
        assert_eq!(cores(2, 2).shards(Shards::Count(4)), 4);
        assert_eq!(cores(1, 1).pin(0, 1), None, "no choice, no pin");
        assert_eq!(cores(2, 2).pin(0, 1), Some(0));
        assert_eq!(cores(2, 2).pin(0, 4), None, "shards that share cores are left to the scheduler");
        assert_eq!(Cores { mask: vec![4, 6], usable: 2 }.pin(1, 2), Some(6));
    }

    #[test]
    fn this_process_has_a_core() {
        assert!(Cores::of_process().usable >= 1);
    }
}
