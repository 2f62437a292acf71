//! Bodies as they come over the wire: plain, or as gzip.
//!
//! zstd is unpacked by the HTTP client. Of gzip it would read the first member only and drop the rest in silence.

use std::borrow::Cow;
use std::io::{self, Write};
use std::mem;

use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// gzip is unpacked from pieces of at most so many bytes: a small one may unpack to a thousand times as much.
const PACKED_BYTES_MAX: usize = 4 * 1024;

/// Unpacks a body piece by piece.
pub(super) enum Unpacker {
    /// There is nothing to unpack.
    Plain,
    /// gzip, of one member or of several, as Prometheus takes it.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Unpacker {
    /// What an answer's head asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let encoding = encoding.unwrap_or("").trim();
        if ["gzip", "x-gzip"]
            .iter()
            .any(|gzip| encoding.eq_ignore_ascii_case(gzip))
        {
            Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
        } else {
            Self::Plain
        }
    }

    /// How long a piece may be that is unpacked at once, where plain ones may have `plain` bytes.
    pub(super) fn piece_bytes_max(&self, plain: usize) -> usize {
        match self {
            Self::Plain => plain,
            Self::Gzip(_) => PACKED_BYTES_MAX,
        }
    }

    /// What this piece of the body holds.
    pub(super) fn unpack<'a>(&mut self, piece: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        let Self::Gzip(decoder) = self else {
            return Ok(Cow::Borrowed(piece));
        };
        decoder.write_all(piece)?;
        Ok(Cow::Owned(mem::take(decoder.get_mut())))
    }

    /// What is left at the body's end, which must be the end of what was packed.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        let Self::Gzip(decoder) = self else {
            return Ok(Vec::new());
        };
        decoder.try_finish()?;
        Ok(mem::take(decoder.get_mut()))
    }
}
