//! The process as the kernel accounts for it, from `/proc/self` (proc(5)).

use std::fs;

/// All zero where `/proc` cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessStats {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub open_fds: u64,
    pub threads: u64,
    /// Unix time.
    pub start_seconds: f64,
}

impl ProcessStats {
    /// A few small reads; fit for once per scrape.
    pub fn read() -> Self {
        let open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot_seconds = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text)).unwrap_or(0);
        // SAFETY: sysconf only reads its argument.
        let (ticks, page) = unsafe { (libc::sysconf(libc::_SC_CLK_TCK), libc::sysconf(libc::_SC_PAGESIZE)) };
        let mut stats = parse_stat(&stat, ticks.max(1) as f64, page.max(0) as u64).unwrap_or_default();
        stats.open_fds = open_fds;
        stats.start_seconds += boot_seconds as f64;
        stats
    }
}

/// `start_seconds` is since boot here. Fields are counted after the command's closing parenthesis: the command may
/// itself hold spaces and parentheses.
fn parse_stat(stat: &str, ticks_per_second: f64, page_bytes: u64) -> Option<ProcessStats> {
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    // proc_pid_stat(5) numbers from 1; the state, field 3, is the first here.
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    Some(ProcessStats {
        cpu_seconds: (number(14)? + number(15)?) as f64 / ticks_per_second,
        threads: number(20)?,
        start_seconds: number(22)? as f64 / ticks_per_second,
        resident_bytes: number(24)? * page_bytes,
        open_fds: 0,
    })
}

fn boot_time(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat =
            "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 9000 1000000 512 18446744073709551615";
        let stats = parse_stat(stat, 100.0, 4096).unwrap();
        assert_eq!(stats.cpu_seconds, 3.0);
        assert_eq!(stats.threads, 3);
        assert_eq!(stats.start_seconds, 90.0);
        assert_eq!(stats.resident_bytes, 512 * 4096);
        assert_eq!(parse_stat("cut off", 100.0, 4096), None);
    }

    #[test]
    fn this_process_has_memory_and_files() {
        let stats = ProcessStats::read();
        assert!(stats.resident_bytes > 0 && stats.open_fds > 0 && stats.start_seconds > 1e9);
    }
}
