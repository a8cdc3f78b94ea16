//! Panics that reach several tasks.

use std::any::Any;

/// What a panic said, if it was made by `panic!`.
pub(crate) fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    (payload.downcast_ref::<&'static str>().copied())
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// A payload to panic with once more: with the same words if there are any.
pub(crate) fn copy(payload: &(dyn Any + Send)) -> Box<dyn Any + Send> {
    Box::new(message(payload).unwrap_or("a panic without a message, in another task").to_string())
}
