//! One request, out of what has been read.

/// The most bytes of a request's head, and of its body.
pub(crate) const MOST_HEAD: usize = 16 << 10;
pub(crate) const MOST_BODY: usize = 1 << 20;
/// The most header lines.
const MOST_HEADERS: usize = 64;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) keep_alive: bool,
    /// The client waits for a word before it sends the body.
    pub(crate) expects_continue: bool,
    /// Where in the bytes that were read the body begins, and how long it is.
    pub(crate) head: usize,
    pub(crate) body: usize,
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// 400
    Malformed,
    /// 413
    BodyTooLarge,
    /// 431
    HeadTooLarge,
    /// 501: a body in chunks.
    NotImplemented,
    /// 505
    Version,
}

impl Request {
    /// The request that `bytes` begin with; none if its head is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Request>, Bad> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let head = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if bytes.len() < MOST_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(Bad::HeadTooLarge),
            Err(httparse::Error::Version) => return Err(Bad::Version),
            Err(_) => return Err(Bad::Malformed),
        };
        let (Some(method), Some(path), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(Bad::Malformed);
        };
        let mut request = Request {
            method: method.into(),
            path: path.into(),
            keep_alive: version == 1,
            expects_continue: false,
            head,
            body: 0,
        };
        let mut length = None;
        for header in parsed.headers.iter() {
            let value = std::str::from_utf8(header.value).map_err(|_| Bad::Malformed)?.trim();
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                // Digits only: "+5" is a number to Rust and not to HTTP. Two that differ are an attack.
                if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Bad::Malformed);
                }
                let value = value.parse::<usize>().map_err(|_| Bad::BodyTooLarge)?;
                if length.replace(value).is_some_and(|before| before != value) {
                    return Err(Bad::Malformed);
                }
            } else if is("transfer-encoding") {
                return Err(Bad::NotImplemented);
            } else if is("connection") {
                for token in value.split(',').map(str::trim) {
                    request.keep_alive &= !token.eq_ignore_ascii_case("close");
                    request.keep_alive |= token.eq_ignore_ascii_case("keep-alive") && version == 0;
                }
            } else if is("expect") {
                request.expects_continue = value.eq_ignore_ascii_case("100-continue");
            }
        }
        request.body = length.unwrap_or(0);
        if request.body > MOST_BODY { Err(Bad::BodyTooLarge) } else { Ok(Some(request)) }
    }
}
