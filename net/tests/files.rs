//! Files and directories: what std's have beyond reading and writing.

#![allow(unsafe_code, reason = "`FromRawFd`")]

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod ends;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use common::{in_goroutines, settle};
use ends::Scratch;
use gander_net::fs::{self, DirBuilder, File, FileTimes, OpenOptions, TryLockError};
use gander_net::os::unix::fs::{chown, fchown, lchown, symlink};
use gander_runtime::spawn;

fn is_taken(answer: Result<(), TryLockError>) -> bool {
    matches!(answer, Err(TryLockError::WouldBlock))
}

#[test]
fn locks_exclude_each_other() {
    in_goroutines(|| {
        let scratch = Scratch::new("locks");
        let path = scratch.join("file");
        let (one, other) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        one.lock().unwrap();
        assert!(is_taken(other.try_lock()) && is_taken(other.try_lock_shared()));
        one.lock_shared().unwrap();
        other.try_lock_shared().unwrap();
        assert!(is_taken(one.try_lock()), "two share it");
        // The other one stays: nobody has to have a lock to give it back.
        one.unlock().unwrap();
        one.unlock().unwrap();
        assert!(is_taken(one.try_lock()));
        // A clone is the same open file.
        let clone = other.try_clone().unwrap();
        drop(other);
        assert!(is_taken(one.try_lock()));
        drop(clone);
        one.try_lock().unwrap();
        let error = std::io::Error::from(File::open(&path).unwrap().try_lock().unwrap_err());
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

/// The processor is the others' meanwhile: on one, too, whoever has the lock gets to give it back.
#[test]
fn who_waits_for_a_lock_gets_it() {
    in_goroutines(|| {
        let scratch = Scratch::new("wait");
        let path = scratch.join("file");
        let one = File::create(&path).unwrap();
        one.lock().unwrap();
        let is_free = Arc::new(AtomicBool::new(false));
        let waiting: Vec<_> = [File::lock, File::lock_shared]
            .into_iter()
            .map(|lock| {
                let (is_free, path) = (Arc::clone(&is_free), path.clone());
                spawn(move || {
                    let other = File::open(path).unwrap();
                    lock(&other).unwrap();
                    assert!(is_free.load(Ordering::Relaxed));
                })
            })
            .collect();
        settle();
        is_free.store(true, Ordering::Relaxed);
        one.unlock().unwrap();
        waiting.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// By a function that knows std's trait and not our type.
fn write_and_read_at(file: &impl FileExt) {
    file.write_all_at(b"0123456789", 0).unwrap();
    assert_eq!(file.write_at(b"ab", 4).unwrap(), 2);
    let mut buf = [0; 4];
    assert_eq!(file.read_at(&mut buf, 8).unwrap(), 2);
    file.read_exact_at(&mut buf, 3).unwrap();
    assert_eq!(&buf, b"3ab6");
    assert_eq!(file.read_exact_at(&mut buf, 7).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

fn with_flags<O: OpenOptionsExt>(options: &mut O) -> &mut O {
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW)
}

#[test]
fn stds_traits_hold() {
    in_goroutines(|| {
        let scratch = Scratch::new("traits");
        let path = scratch.join("file");
        let mut options = OpenOptions::new();
        let file = with_flags(options.read(true).write(true).create(true)).open(&path).unwrap();
        write_and_read_at(&file);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.metadata().unwrap().size(), 10);
        symlink(&path, scratch.join("link")).unwrap();
        assert_eq!(options.open(scratch.join("link")).unwrap_err().raw_os_error(), Some(libc::ELOOP));
        assert_eq!(fs::read_link(scratch.join("link")).unwrap(), path);

        let mut builder = DirBuilder::new();
        DirBuilderExt::mode(builder.recursive(true), 0o700).create(scratch.join("a/b")).unwrap();
        builder.create(scratch.join("a/b")).unwrap();
        for made in ["a", "a/b"] {
            assert_eq!(fs::metadata(scratch.join(made)).unwrap().permissions().mode() & 0o777, 0o700);
        }
        let again = builder.recursive(false).create(scratch.join("a/b"));
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(DirBuilder::new().create(scratch.join("x/y")).unwrap_err().kind(), ErrorKind::NotFound);

        // As it is, which everybody may say.
        chown(&path, None, None).unwrap();
        fchown(&file, None, None).unwrap();
        lchown(scratch.join("link"), None, None).unwrap();
        assert_eq!(chown(scratch.join("nobody"), None, None).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn positions_times_and_slices() {
    in_goroutines(|| {
        let scratch = Scratch::new("times");
        let mut file = File::options().read(true).write(true).create_new(true).open(scratch.join("file")).unwrap();
        assert_eq!(file.write_vectored(&[IoSlice::new(b"one"), IoSlice::new(b"two")]).unwrap(), 6);
        assert_eq!(file.stream_position().unwrap(), 6);
        file.rewind().unwrap();
        let (mut a, mut b) = ([0; 2], [0; 8]);
        assert_eq!(file.read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).unwrap(), 6);
        assert_eq!((&a, &b[..4]), (b"on", &b"etwo"[..]));
        assert!(!file.is_terminal());

        let (then, now) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1000), SystemTime::now());
        file.set_times(FileTimes::new().set_accessed(then).set_modified(now)).unwrap();
        file.set_modified(then).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.modified().unwrap(), metadata.accessed().unwrap()), (then, then));

        let number = file.as_raw_fd();
        // SAFETY: it is given up here and taken there.
        let mut file = unsafe { File::from_raw_fd(file.into_raw_fd()) };
        assert_eq!(file.as_raw_fd(), number);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "onetwo");
    });
}
