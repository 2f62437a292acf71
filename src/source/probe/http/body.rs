//! Bodies: unpacked where the module says how they are packed, counted, kept only where somebody looks at them.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::connection::broken;
use crate::domain::verdict::{Fault, Phase, Reason};
use crate::source::probe::course::Course;
use crate::source::probe::settings::{BODY_MAX, HttpModule};

/// What is packed is unpacked from pieces of at most so many bytes: a small one may unpack to a thousand times as much.
const PACKED_BYTES_MAX: usize = 4 * 1024;
/// How much is allocated for unpacking Brotli, in bytes.
const BROTLI_BUFFER_BYTES: usize = 4 * 1024;

/// The body, where it is to be kept. What was read of it is counted, whatever becomes of it.
pub(super) async fn read(
    mut body: Incoming,
    module: &HttpModule,
    keep: bool,
    course: &mut Course,
) -> Result<Vec<u8>, Fault> {
    // A body that nobody has limited is not wrong for being large: it is only read so far.
    let own_limit = Some(module.body_size_limit).filter(|limit| *limit > 0 && *limit < BODY_MAX);
    let sink = Sink {
        kept: keep.then(Vec::new),
        count: 0,
        limit: own_limit.unwrap_or(BODY_MAX),
        is_full: false,
    };
    let packing = if body.is_end_stream() {
        None
    } else {
        module.compression.as_deref()
    };
    let mut unpacker = Unpacker::of(packing, sink);
    let all = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            let Some(data) = frame.data_ref() else { continue };
            for (number, piece) in data.chunks(unpacker.piece_bytes_max()).enumerate() {
                if number > 0 {
                    tokio::task::yield_now().await;
                }
                let taken = unpacker.take(piece);
                if unpacker.sink().is_full {
                    return Ok(());
                }
                taken.map_err(|error| unpackable(packing, &error))?;
            }
        }
        unpacker.finish().map_err(|error| unpackable(packing, &error))
    };
    let result = course.during(Phase::Transfer, Reason::Timeout, all).await;
    let sink = unpacker.sink();
    course.gauge("probe_http_uncompressed_body_length", sink.count as f64);
    result?;
    if sink.is_full && (keep || own_limit.is_some()) {
        let detail = format!("the body is larger than {} bytes, see `body_size_limit`", sink.limit);
        return Err(Fault::new(Reason::TooLarge, detail));
    }
    Ok(sink.kept.take().unwrap_or_default())
}

fn unpackable(packing: Option<&str>, error: &io::Error) -> Fault {
    let packing = packing.unwrap_or_default();
    let detail = format!("the body is not {packing}, which `compression` wants: {error}");
    Fault::new(Reason::BodyMismatch, detail)
}

/// Where unpacked bytes go: no more than were allowed.
struct Sink {
    kept: Option<Vec<u8>>,
    count: u64,
    limit: u64,
    /// There was more.
    is_full: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.limit - self.count).unwrap_or(usize::MAX);
        let taken = bytes.len().min(room);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&bytes[..taken]);
        }
        self.count += taken as u64;
        if taken < bytes.len() {
            self.is_full = true;
            return Err(io::Error::other("too large"));
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks a body piece by piece.
enum Unpacker {
    Plain(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Box<DeflateDecoder<Sink>>, Head),
    Brotli(Box<DecompressorWriter<Sink>>),
}

/// The head that zlib puts before what is deflated: the standard wants it, blackbox exporter expects none.
#[derive(Clone, Copy)]
enum Head {
    /// The first byte will tell.
    Undecided,
    /// So many bytes of it are still to come.
    Left(usize),
}

impl Unpacker {
    fn of(packing: Option<&str>, sink: Sink) -> Self {
        match packing {
            Some("gzip") => Self::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Some("deflate") => Self::Deflate(Box::new(DeflateDecoder::new(sink)), Head::Undecided),
            Some("br") => Self::Brotli(Box::new(DecompressorWriter::new(sink, BROTLI_BUFFER_BYTES))),
            _ => Self::Plain(sink),
        }
    }

    fn piece_bytes_max(&self) -> usize {
        match self {
            Self::Plain(_) => usize::MAX,
            _ => PACKED_BYTES_MAX,
        }
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
            Self::Brotli(decoder) => decoder.write_all(piece),
            Self::Deflate(decoder, head) => {
                let left = match (*head, piece.first()) {
                    (Head::Left(left), _) => left,
                    (Head::Undecided, Some(first)) if first & 0x0f == 8 && first >> 4 <= 7 => 2,
                    (Head::Undecided, _) => 0,
                };
                let skipped = left.min(piece.len());
                *head = Head::Left(left - skipped);
                match decoder.write_all(&piece[skipped..]) {
                    // What comes behind its end, the checksum of zlib, is not looked at.
                    Err(error) if error.kind() == io::ErrorKind::WriteZero => Ok(()),
                    other => other,
                }
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(decoder, _) => decoder.try_finish(),
            Self::Brotli(decoder) => decoder.close(),
        }
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Plain(sink) => sink,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder, _) => decoder.get_mut(),
            Self::Brotli(decoder) => decoder.get_mut(),
        }
    }
}
