//! The macro: its words, and what they become.

/// Waits until one of several channel operations is ready, does it, and goes on with its arm.
///
/// ```text
/// select! {
///     recv(receiver) -> result => …,            // result: Result<T, RecvError>
///     send(sender, value) -> result => …,       // result: Result<(), SendError<T>>
///     default => …,                             // if none is ready
///     default(timeout) => …,                    // if none was ready in that time (either of the two, or neither)
/// }
/// ```
///
/// * Exactly one arm is run, and exactly one operation done. Of those that are ready any is taken, each with the same
///   chance; a channel that is listed twice has two.
/// * An operation is ready if it need not wait, also because the channel is closed: then its result is an error.
/// * `default` is taken only if at one moment none was ready.
/// * Receivers and senders are evaluated once, in the order in which they are written: anything that dereferences to
///   one will do. The value of a send is evaluated when that send has been chosen, so one that is not chosen keeps
///   its value. Whoever receives it waits for it meanwhile.
/// * An arm ends with a comma, or is a block. In it `break`, `continue`, `return` and `?` mean what they mean around the
///   `select!`. The whole is an expression.
///
/// # Blocking
///
/// Without `default` it parks the goroutine, or blocks an ordinary thread, until an operation is ready.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_chan::{bounded, select};
/// use std::time::Duration;
///
/// let (numbers, r1) = bounded(0);
/// let (words, r2) = bounded(0);
/// let (n, w) = (numbers.clone(), words.clone());
/// gander_runtime::go(move || n.send(7).unwrap());
/// gander_runtime::go(move || w.send("seven").unwrap());
/// for _ in 0..2 {
///     select! {
///         recv(r1) -> number => assert_eq!(number, Ok(7)),
///         recv(r2) -> word => assert_eq!(word, Ok("seven")),
///         default(Duration::from_secs(10)) => panic!("nobody there"),
///     }
/// }
/// # });
/// ```
///
/// An arm that is switched off, as with Go's nil channels: [`never`](crate::never).
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_chan::{bounded, never, select};
///
/// let (s, mut r) = bounded(1);
/// s.send(1).unwrap();
/// drop(s);
/// let mut sum = 0;
/// loop {
///     select! {
///         recv(r) -> number => match number {
///             Ok(number) => sum += number,
///             Err(_) => r = never(),
///         },
///         default => break,
///     }
/// }
/// assert_eq!(sum, 1);
/// # });
/// ```
#[macro_export]
macro_rules! select {
    ($($arms:tt)*) => { $crate::__select!(@arms false [] [] $($arms)*) };
}

/// [`select!`], but of the operations that are ready always the first is taken.
///
/// # Examples
///
/// ```
/// use gander_chan::{select_biased, unbounded};
///
/// let (urgent, r1) = unbounded();
/// let (usual, r2) = unbounded();
/// usual.send("usual").unwrap();
/// urgent.send("urgent").unwrap();
/// let first = select_biased! {
///     recv(r1) -> message => message,
///     recv(r2) -> message => message,
/// };
/// assert_eq!(first, Ok("urgent"));
/// ```
#[macro_export]
macro_rules! select_biased {
    ($($arms:tt)*) => { $crate::__select!(@arms true [] [] $($arms)*) };
}

/// By this name crossbeam-channel's own tests call what is behind its `select!`: so that they move over as they are.
#[doc(hidden)]
#[macro_export]
macro_rules! crossbeam_channel_internal {
    ($($arms:tt)*) => { $crate::select! { $($arms)* } };
}

/// The steps of `select!`. Each begins with its name and whether the first is preferred:
///
/// * `@arms [done] [default] rest` takes the head of one arm off the rest, `@body … (head) rest` its body.
/// * `@simple [done] [default]`: one receive alone needs no select.
/// * `@bind (index) [bound] [default] [arms]` borrows one handle after the other. Each `case` is a variable of its own.
/// * `@choose [bound] [default]` chooses, `@branch chosen [bound]` and `@finish` go on with the arm.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    (@arms $biased:tt [] []) => {
        ::core::compile_error!("empty `select!` block")
    };
    (@arms $biased:tt $done:tt $default:tt) => {
        $crate::__select!(@simple $biased $done $default)
    };
    (@arms $biased:tt $done:tt $default:tt recv($r:expr $(,)?) -> $result:pat => $($rest:tt)+) => {
        $crate::__select!(@body $biased $done $default (recv ($r) ($result)) $($rest)+)
    };
    (@arms $biased:tt $done:tt $default:tt send($s:expr, $m:expr $(,)?) -> $result:pat => $($rest:tt)+) => {
        $crate::__select!(@body $biased $done $default (send ($s, $m) ($result)) $($rest)+)
    };
    (@arms $biased:tt $done:tt [] default $(())? => $($rest:tt)+) => {
        $crate::__select!(@body $biased $done [] (default ()) $($rest)+)
    };
    (@arms $biased:tt $done:tt [] default($timeout:expr $(,)?) => $($rest:tt)+) => {
        $crate::__select!(@body $biased $done [] (default ($timeout)) $($rest)+)
    };
    (@arms $biased:tt $done:tt [$($default:tt)+] default $($rest:tt)*) => {
        ::core::compile_error!("there can be only one `default` case in a `select!` block")
    };
    (@arms $biased:tt $done:tt $default:tt $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "expected `recv(receiver) -> result => …`, `send(sender, value) -> result => …`, `default => …` or ",
            "`default(timeout) => …`, found `",
            ::core::stringify!($($rest)+),
            "`"
        ))
    };

    (@body $biased:tt $done:tt $default:tt $head:tt $body:block, $($rest:tt)*) => {
        $crate::__select!(@add $biased $done $default $head ($body) $($rest)*)
    };
    (@body $biased:tt $done:tt $default:tt $head:tt $body:block $($rest:tt)*) => {
        $crate::__select!(@add $biased $done $default $head ($body) $($rest)*)
    };
    (@body $biased:tt $done:tt $default:tt $head:tt $body:expr, $($rest:tt)*) => {
        $crate::__select!(@add $biased $done $default $head ($body) $($rest)*)
    };
    (@body $biased:tt $done:tt $default:tt $head:tt $body:expr) => {
        $crate::__select!(@add $biased $done $default $head ($body))
    };
    (@add $biased:tt $done:tt $default:tt (default $timeout:tt) $body:tt $($rest:tt)*) => {
        $crate::__select!(@arms $biased $done [$timeout $body] $($rest)*)
    };
    (@add $biased:tt [$($done:tt)*] $default:tt ($($head:tt)*) $body:tt $($rest:tt)*) => {
        $crate::__select!(@arms $biased [$($done)* ($($head)* $body)] $default $($rest)*)
    };

    (@simple $biased:tt [(recv ($r:expr) ($result:pat) ($body:expr))] []) => {
        match &$r {
            receiver => {
                let receiver: &$crate::Receiver<_> = receiver;
                let result = receiver.recv();
                let $result = result;
                $body
            }
        }
    };
    (@simple $biased:tt [(recv ($r:expr) ($result:pat) ($body:expr))] [() ($otherwise:expr)]) => {
        match &$r {
            receiver => {
                let receiver: &$crate::Receiver<_> = receiver;
                match receiver.try_recv() {
                    ::core::result::Result::Err($crate::TryRecvError::Empty) => $otherwise,
                    result => {
                        let result = result.map_err(|_| $crate::RecvError);
                        let $result = result;
                        $body
                    }
                }
            }
        }
    };
    (@simple $biased:tt [(recv ($r:expr) ($result:pat) ($body:expr))] [($timeout:expr) ($otherwise:expr)]) => {
        match &$r {
            receiver => {
                let receiver: &$crate::Receiver<_> = receiver;
                match receiver.recv_timeout($timeout) {
                    ::core::result::Result::Err($crate::RecvTimeoutError::Timeout) => $otherwise,
                    result => {
                        let result = result.map_err(|_| $crate::RecvError);
                        let $result = result;
                        $body
                    }
                }
            }
        }
    };
    (@simple $biased:tt $arms:tt $default:tt) => {
        $crate::__select!(@bind $biased (0) [] $default $arms)
    };

    (@bind $biased:tt $index:tt $bound:tt $default:tt []) => {
        $crate::__select!(@choose $biased $bound $default)
    };
    (@bind $biased:tt $index:tt [$($bound:tt)*] $default:tt [(recv ($r:expr) $result:tt $body:tt) $($arms:tt)*]) => {
        match &$r {
            // Apart from its binding: there the type of a handle would be asked of what may only lead to one.
            handle => match $crate::internal::recv(handle) {
                mut case => $crate::__select!(
                    @bind $biased ($index + 1) [$($bound)* (case $index recv () $result $body)] $default [$($arms)*]
                ),
            },
        }
    };
    (@bind $biased:tt $index:tt [$($bound:tt)*] $default:tt [(send ($s:expr, $m:expr) $result:tt $body:tt) $($arms:tt)*]) => {
        match &$s {
            handle => match $crate::internal::send(handle) {
                mut case => $crate::__select!(
                    @bind $biased ($index + 1) [$($bound)* (case $index send ($m) $result $body)] $default [$($arms)*]
                ),
            },
        }
    };

    (@choose $biased:tt [$(($case:ident $index:tt $($rest:tt)*))*] []) => {{
        let chosen = $crate::internal::select(&mut [$($case.arm($index)),*], $biased);
        $crate::__select!(@branch chosen [$(($case $index $($rest)*))*])
    }};
    (@choose $biased:tt [$(($case:ident $index:tt $($rest:tt)*))*] [() ($otherwise:expr)]) => {{
        let chosen = $crate::internal::try_select(&mut [$($case.arm($index)),*], $biased);
        match chosen {
            ::core::option::Option::Some(chosen) => $crate::__select!(@branch chosen [$(($case $index $($rest)*))*]),
            ::core::option::Option::None => $otherwise,
        }
    }};
    (@choose $biased:tt [$(($case:ident $index:tt $($rest:tt)*))*] [($timeout:expr) ($otherwise:expr)]) => {{
        let chosen = $crate::internal::select_timeout(&mut [$($case.arm($index)),*], $timeout, $biased);
        match chosen {
            ::core::option::Option::Some(chosen) => $crate::__select!(@branch chosen [$(($case $index $($rest)*))*]),
            ::core::option::Option::None => $otherwise,
        }
    }};

    (@branch $chosen:ident [$(($case:ident $index:tt $kind:tt $value:tt ($result:pat) ($body:expr)))*]) => {
        $(if $chosen.index() == $index {
            let result = $crate::__select!(@finish $kind $chosen $case $value);
            let $result = result;
            $body
        } else)* {
            ::core::unreachable!()
        }
    };
    (@finish recv $chosen:ident $case:ident ()) => {
        $case.finish($chosen)
    };
    (@finish send $chosen:ident $case:ident ($m:expr)) => {
        $chosen.send($case.sender(), $m)
    };
}
