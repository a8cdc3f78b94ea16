//! What the process may have, and has.

#![allow(unsafe_code, reason = "setrlimit")]

/// Asks for as many descriptors as are allowed, and says how many that is.
pub(crate) fn descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both only touch our local.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    limit.rlim_cur.try_into().unwrap_or(usize::MAX)
}

/// What this process has now.
pub(crate) struct Usage {
    pub(crate) goroutines: usize,
    pub(crate) descriptors: usize,
    /// Bytes.
    pub(crate) resident: usize,
}

impl Usage {
    pub(crate) fn now() -> Usage {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
        let pages: usize = pages.split(' ').nth(1).and_then(|field| field.parse().ok()).expect("resident pages");
        Usage {
            goroutines: gander::num_goroutines(),
            // But for the one that counts.
            descriptors: std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").count() - 1,
            resident: pages * 4096,
        }
    }
}
