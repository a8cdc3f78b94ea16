//! Processes that may not have much. Each case is this test binary again, in a child process of its own.
#![allow(unsafe_code, reason = "limits are set by system calls")]

use std::process::Command;

use gander_stack::{Class, GuardKind, Stack, StackError, census, class_of, scavenge, take, testing};

const CHILD: &str = "GANDER_STACK_TEST_CHILD";

/// Runs `body` in a child process: the test of that name once more.
fn in_child(name: &str, body: fn()) {
    if std::env::var_os(CHILD).is_some() {
        return body();
    }
    let me = std::env::current_exe().unwrap();
    let output = Command::new(me).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
}

/// `libc` names the type of a limit differently for each C library, so here is one function for each limit.
fn limit_address_space(bytes: u64) {
    // SAFETY: reads the limit.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_AS, &both(bytes)) };
    assert_eq!(result, 0);
}

fn limit_data(bytes: u64) {
    // SAFETY: as above.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_DATA, &both(bytes)) };
    assert_eq!(result, 0);
}

fn both(bytes: u64) -> libc::rlimit {
    libc::rlimit { rlim_cur: bytes, rlim_max: bytes }
}

/// Takes until that fails.
fn take_all(class: Class) -> (Vec<Stack>, StackError) {
    let mut stacks = Vec::with_capacity(100_000);
    loop {
        match take(class) {
            Ok(stack) => stacks.push(stack),
            Err(error) => return (stacks, error),
        }
    }
}

#[test]
fn little_address_space() {
    in_child("little_address_space", || {
        limit_address_space(4 << 30);
        let class = class_of(1 << 20).unwrap();
        drop(take(class).unwrap());
        assert!(census().reserved_bytes <= 512 << 20, "the heap wants some, too");
        let (mut stacks, error) = take_all(class);
        println!("{} stacks in {} regions: {error}", stacks.len(), census().regions);
        assert!(matches!(error, StackError::AddressSpace { errno: libc::ENOMEM, .. }));
        assert!(error.to_string().contains("RLIMIT_AS"));
        // Three quarters of it.
        assert!((2700..2900).contains(&stacks.len()), "{}", stacks.len());
        assert!(census().reserved_bytes <= 3 << 30);
        // Nobody was hurt, and what comes back can be taken.
        let top = stacks.pop().unwrap().top();
        assert_eq!(take(class).unwrap().top(), top);
        assert!(stacks.iter().all(|stack| testing::readable(stack.top().addr() - 4)));
    });
}

#[test]
fn little_data() {
    in_child("little_data", || {
        // What can be written counts, what is only reserved does not.
        limit_data(256 << 20);
        let class = class_of(1 << 20).unwrap();
        drop(take(class).unwrap());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmData:")).unwrap();
        let data: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(data < 128 << 10, "the heap wants some, too: {data} KiB");
        let (stacks, error) = take_all(class);
        println!("{} stacks: {error}", stacks.len());
        assert!(matches!(error, StackError::AddressSpace { errno: libc::ENOMEM, .. }));
        assert!((100..256).contains(&stacks.len()));
    });
}

#[test]
fn locked_memory() {
    in_child("locked_memory", || {
        // SAFETY: affects this process only.
        if unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
            return println!("not allowed to lock memory");
        }
        let class = class_of(256 << 10).unwrap();
        // An ordinary user may lock too little for even one region to be filled; the error is as good a result.
        let stacks: Vec<Stack> = match (0..20).map(|_| take(class)).collect() {
            Ok(stacks) => stacks,
            Err(error) => {
                return assert!(matches!(error, StackError::AddressSpace { .. }), "{error}");
            }
        };
        assert_eq!(census().guards(), GuardKind::Mapping);
        for stack in &stacks {
            assert!(!testing::readable(stack.limit().addr() - 4));
            assert!(stack.footprint().resident >= stack.size(), "locked memory is there from the start");
        }
        drop(stacks);
        for _ in 0..4 {
            scavenge(1000, |_| true);
        }
        assert!(!take(class).unwrap().is_untouched(), "and cannot be given back");
    });
}

#[test]
fn memory_locked_later() {
    in_child("memory_locked_later", || {
        let class = class_of(64 << 10).unwrap();
        limit_address_space(2 << 30);
        let early: Vec<Stack> = (0..20).map(|_| take(class).unwrap()).collect();
        // SAFETY: affects this process only. What is open is filled now: 64 MiB.
        if unsafe { libc::mlockall(libc::MCL_CURRENT) } != 0 {
            return println!("not allowed to lock memory");
        }
        let late: Vec<Stack> = (0..20).map(|_| take(class).unwrap()).collect();
        for stack in early.iter().chain(&late) {
            assert!(testing::readable(stack.limit().addr()));
            assert!(!testing::readable(stack.limit().addr() - 4));
        }
        assert!(census().mapped_guards > 0);
    });
}

#[test]
fn an_overflow_dies_of_the_guard() {
    in_child("an_overflow_dies_of_the_guard", || {
        let stack = take(class_of(64 << 10).unwrap()).unwrap();
        // SAFETY: the child below touches memory that it must not, and dies; nothing else runs in it.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::signal(libc::SIGSEGV, libc::SIG_DFL);
                stack.limit().write_volatile(1);
                stack.limit().wrapping_sub(1).write_volatile(1);
                libc::_exit(0);
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV, "{status}");
        }
    });
}

#[test]
fn mappings_taken_by_others() {
    in_child("mappings_taken_by_others", || {
        let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        let most: usize = text.trim().parse().unwrap();
        if most > 200_000 {
            return println!("vm.max_map_count is {most}: too many to run out of in a test");
        }
        testing::force_mprotect();
        let class = class_of(64 << 10).unwrap();
        let early: Vec<Stack> = (0..100).map(|_| take(class).unwrap()).collect();
        let mut late = Vec::with_capacity(1000);

        // Every other page closed: two mappings for each that is.
        let (page, count) = (stack_page(), most / 2 - 300);
        let bytes = 2 * count * page;
        let (access, flags) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a mapping of this test, which nobody touches.
        let foreign = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0) };
        assert_ne!(foreign, libc::MAP_FAILED);
        for i in 0..count {
            let at = foreign.wrapping_byte_add(2 * i * page);
            // SAFETY: as above.
            let result = unsafe { libc::mprotect(at, page, libc::PROT_NONE) };
            assert_eq!(result, 0);
        }
        let error = loop {
            match take(class) {
                Ok(stack) => late.push(stack),
                Err(error) => break error,
            }
        };
        // SAFETY: as above.
        assert_eq!(unsafe { libc::munmap(foreign, bytes) }, 0);
        println!("{} stacks: {error}", early.len() + late.len());
        assert_eq!(error, StackError::Mappings { stacks: early.len() + late.len(), errno: libc::ENOMEM });
        assert!(late.len() < 300);

        // The slot that failed is whole, and used first.
        let built = census().built;
        let next = take(class).unwrap();
        assert_eq!(census().built, built + 1);
        assert_eq!(census().mapped_guards, early.len() + late.len() + 1);
        let last = late.last().unwrap().limit();
        // Usable, headroom, guard.
        assert_eq!(next.limit().addr() - last.addr(), (64 << 10) + (8 << 10) + (16 << 10));
        for stack in early.iter().chain(&late).chain([&next]) {
            assert!(testing::readable(stack.limit().addr()) && testing::readable(stack.top().addr() - 4));
            assert!(!testing::readable(stack.limit().addr() - 4));
        }
    });
}

fn stack_page() -> usize {
    // SAFETY: reads a constant of the system.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
