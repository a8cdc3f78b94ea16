//! Reading into and writing from several slices at once.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;

use crate::fd::{End, Fd};

/// The slices from the first that has room on: the kernel takes so many at once, and empty ones are none. None if all
/// are empty.
pub(crate) fn not_empty_mut<'a, 'b>(bufs: &'a mut [IoSliceMut<'b>]) -> Option<&'a mut [IoSliceMut<'b>]> {
    let first = bufs.iter().position(|buf| !buf.is_empty())?;
    Some(&mut bufs[first..])
}

/// Writes all of them, no other writer between them; see [`Fd::write_whole`].
pub(crate) fn write_whole(
    fd: &Fd,
    bufs: &[IoSlice<'_>],
    end: End<'_>,
    write_several: impl Fn(BorrowedFd<'_>, &[IoSlice<'_>]) -> io::Result<usize>,
    write_one: impl Fn(BorrowedFd<'_>, &[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let len = bufs.iter().map(|buf| buf.len()).sum();
    // Those that have been written, and their length.
    let (mut at, mut before) = (0, 0);
    fd.write_whole(len, end, |fd, done| {
        // Empty ones too: a list that begins with as many as the kernel takes at once would write nothing.
        while at < bufs.len() && before + bufs[at].len() <= done {
            before += bufs[at].len();
            at += 1;
        }
        match bufs.get(at) {
            // The kernel took a part of it.
            Some(buf) if before < done => write_one(fd, &buf[done - before..]),
            _ => write_several(fd, &bufs[at..]),
        }
    })
}
