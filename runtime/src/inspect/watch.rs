//! Who wants to know of a switch. Called only while somebody does.

use super::{sample, trace, waits};
use crate::g::G;
use crate::m::M;
use crate::p::P;

/// `g` leaves `m`, and its message lies in `m.after`.
#[cold]
pub(crate) fn left(m: &M, g: &G) {
    let p = m.p();
    let after = m.after.take();
    if p.attend.is_traced() {
        trace::left(m, g, &after);
    }
    if p.attend.is_measured() {
        waits::left(g, &after);
    }
    m.after.set(after);
    if p.attend.is_sampled() {
        sample::left(p);
    }
}

/// `g` goes on on `p`.
#[cold]
pub(crate) fn ran(p: &P, g: &G) {
    if p.attend.is_traced() {
        trace::ran(p, g);
    }
    if p.attend.is_measured() {
        waits::ran(g);
    }
}
