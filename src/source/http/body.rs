//! Bodies of answers, as they come over the wire: plain, or as gzip.
//!
//! zstd is unpacked by the HTTP client. Of gzip it would read the first member only and drop the rest in silence.

use std::borrow::Cow;
use std::io::{self, Write};
use std::mem;

use flate2::write::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use tokio::task;

use super::failure::{broken_body, broken_gzip, missing};
use crate::domain::reading::{Missing, MissingReason};

/// What bodies may be packed with: zstd costs less to unpack.
pub const COMPRESSED: &str = "zstd, gzip;q=0.5";

/// A body is given out in pieces of at most so many bytes, so that reading it holds up nothing else.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// gzip is unpacked from pieces of at most so many bytes: a small one may unpack to a thousand times as much.
const PACKED_BYTES_MAX: usize = 4 * 1024;

/// Gives out an unpacked body piece by piece as it comes, up to so many bytes: a small body may unpack to a huge one.
pub async fn read_pieces(
    mut response: Response,
    bytes_max: u64,
    too_large: impl Fn() -> Missing,
    mut take: impl FnMut(&[u8]) -> Result<(), Missing>,
) -> Result<(), Missing> {
    let mut unpacker = Unpacker::of(response.headers());
    let mut room = bytes_max;
    let mut give = |piece: &[u8]| {
        room = room.checked_sub(piece.len() as u64).ok_or_else(&too_large)?;
        take(piece)
    };
    while let Some(chunk) = response.chunk().await.map_err(|error| broken_body(&error))? {
        for (number, piece) in chunk.chunks(unpacker.piece_bytes_max()).enumerate() {
            if number > 0 {
                task::yield_now().await;
            }
            give(&unpacker.unpack(piece).map_err(|error| broken_gzip(&error))?)?;
        }
    }
    give(&unpacker.finish().map_err(|error| broken_gzip(&error))?)
}

/// A whole body of at most so many bytes; `too_large` says it when there are more.
pub async fn read_whole(response: Response, bytes_max: usize, too_large: &str) -> Result<Vec<u8>, Missing> {
    let mut body = Vec::new();
    let refused = || missing(MissingReason::TooLarge, too_large);
    read_pieces(response, bytes_max as u64, refused, |piece| {
        body.extend_from_slice(piece);
        Ok(())
    })
    .await?;
    Ok(body)
}

/// Unpacks a body piece by piece.
enum Unpacker {
    /// There is nothing to unpack.
    Plain,
    /// gzip, of one member or of several, as Prometheus takes it.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Unpacker {
    /// What an answer's head asks for.
    fn of(headers: &HeaderMap) -> Self {
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

    /// How long a piece may be that is unpacked at once.
    fn piece_bytes_max(&self) -> usize {
        match self {
            Self::Plain => PIECE_BYTES_MAX,
            Self::Gzip(_) => PACKED_BYTES_MAX,
        }
    }

    /// What this piece of the body holds.
    fn unpack<'a>(&mut self, piece: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        let Self::Gzip(decoder) = self else {
            return Ok(Cow::Borrowed(piece));
        };
        decoder.write_all(piece)?;
        Ok(Cow::Owned(mem::take(decoder.get_mut())))
    }

    /// What is left at the body's end, which must be the end of what was packed.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        let Self::Gzip(decoder) = self else {
            return Ok(Vec::new());
        };
        decoder.try_finish()?;
        Ok(mem::take(decoder.get_mut()))
    }
}
