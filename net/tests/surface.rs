//! What std's types are, gander's are, too: the traits that code asks for without a thought.

use std::fmt::Debug;
use std::io::{BufRead, Read, Seek, Write};
use std::iter::FusedIterator;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::panic::{RefUnwindSafe, UnwindSafe};

use gander_net::fs::{DirBuilder, File, OpenOptions, ReadDir, TryLockError};
use gander_net::io::{
    PipeReader, PipeWriter, Stderr, StderrLock, Stdin, StdinLock, Stdout, StdoutLock, prelude, read_to_string,
};
use gander_net::os::unix::net as unix;
use gander_net::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use gander_net::{
    Incoming, PipeStream, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixIncoming, UnixListener, UnixStream,
};

macro_rules! all_are {
    ($bounds:ident: $($type:ty),* $(,)?) => {
        $(is::$bounds::<$type>();)*
    };
}

/// Calls that compile if the type has the traits.
mod is {
    use super::*;

    pub(crate) fn thing<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug>() {}
    /// Without `Send`.
    pub(crate) fn lock<T: Unpin + UnwindSafe + RefUnwindSafe + Debug + AsFd + AsRawFd>() {}
    pub(crate) fn handle<T: AsFd + AsRawFd + FromRawFd + IntoRawFd + From<OwnedFd> + Into<OwnedFd>>() {}
    pub(crate) fn standard<T: AsFd + AsRawFd>() {}
    pub(crate) fn given_to_a_child<T: Into<Stdio>>() {}
    pub(crate) fn reader<T: Read>() {}
    pub(crate) fn writer<T: Write>() {}
    pub(crate) fn buffered<T: BufRead>() {}
    pub(crate) fn file<T: Read + Write + Seek>() {}
    pub(crate) fn known_to_unix<T: FileExt>() {}
    pub(crate) fn options<T: OpenOptionsExt + Clone>() {}
    pub(crate) fn builder<T: DirBuilderExt>() {}
    pub(crate) fn error<T: std::error::Error + Into<std::io::Error> + Send + Sync>() {}
    pub(crate) fn without_end<T: FusedIterator>() {}
}

#[test]
fn traits() {
    all_are!(thing:
        TcpStream, TcpListener, Incoming<'static>, UdpSocket, UnixStream, UnixListener, UnixIncoming<'static>,
        UnixDatagram, PipeStream, File, OpenOptions, DirBuilder, ReadDir, Child, ChildStdin, ChildStdout, ChildStderr,
        PipeReader, PipeWriter, Stdin, Stdout, Stderr);
    all_are!(lock: StdinLock<'static>, StdoutLock<'static>, StderrLock<'static>);
    all_are!(handle:
        TcpStream, TcpListener, UdpSocket, UnixStream, UnixListener, UnixDatagram, File, PipeReader, PipeWriter);
    all_are!(standard: Stdin, Stdout, Stderr, ChildStdin, ChildStdout, ChildStderr);
    all_are!(given_to_a_child:
        File, PipeReader, PipeWriter, ChildStdin, ChildStdout, ChildStderr, Stdout, Stderr);
    all_are!(reader:
        TcpStream, &TcpStream, UnixStream, &UnixStream, PipeStream, &PipeStream, PipeReader, &PipeReader, ChildStdout,
        ChildStderr, Stdin, &Stdin, StdinLock<'static>);
    all_are!(writer:
        TcpStream, &TcpStream, UnixStream, &UnixStream, PipeStream, &PipeStream, PipeWriter, &PipeWriter, ChildStdin,
        &ChildStdin, Stdout, &Stdout, StdoutLock<'static>, Stderr, &Stderr, StderrLock<'static>);
    all_are!(buffered: StdinLock<'static>);
    all_are!(file: File, &File);
    all_are!(known_to_unix: File);
    all_are!(options: OpenOptions);
    all_are!(builder: DirBuilder);
    all_are!(error: TryLockError);
    all_are!(without_end: Incoming<'static>);
    // What std has for its types only: by the same name.
    let _ = (File::is_terminal, Stdin::is_terminal, Command::exec, TcpStream::quickack);
}

/// Modules that stand where std's stood.
#[test]
fn modules() {
    use prelude::*;
    let (reader, mut writer) = gander_net::io::pipe().unwrap();
    writer.write_all(b"text").unwrap();
    drop(writer);
    assert_eq!(read_to_string(gander_net::io::BufReader::new(reader)).unwrap(), "text");
    let (a, _b) = unix::UnixStream::pair().unwrap();
    let addr: unix::SocketAddr = a.local_addr().unwrap();
    assert!(addr.is_unnamed());
}

#[test]
fn shown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    assert_eq!(format!("{listener:?}"), format!("TcpListener {{ addr: {addr}, fd: {} }}", listener.as_raw_fd()));
    let stream = TcpStream::connect(addr).unwrap();
    let (local, fd) = (stream.local_addr().unwrap(), stream.as_raw_fd());
    assert_eq!(format!("{stream:?}"), format!("TcpStream {{ addr: {local}, peer: {addr}, fd: {fd} }}"));
    stream.close().unwrap();
    assert_eq!(format!("{stream:?}"), format!("TcpStream {{ fd: {fd} }}"));
    let (a, _b) = UnixStream::pair().unwrap();
    let fd = a.as_raw_fd();
    assert_eq!(format!("{a:?}"), format!("UnixStream {{ fd: {fd}, local: (unnamed), peer: (unnamed) }}"));
}
