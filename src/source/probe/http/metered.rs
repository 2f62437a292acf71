//! A connection on which only so much may come before the head of an answer: a server that sends interim answers (1xx)
//! without an end would keep a whole processor busy for as long as the probe may take.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So many bytes may come before the head of an answer has.
const BEFORE_HEAD_MAX: usize = 1 << 20;

/// How much may still come; shared with the connection.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// The head has come: what follows is bounded where it is read.
    pub fn lift(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }
}

/// The connection.
pub(super) struct Metered<S> {
    inner: S,
    left: Allowance,
}

impl<S> Metered<S> {
    /// Meters a connection until its allowance is lifted.
    pub fn new(inner: S) -> (Self, Allowance) {
        let left = Allowance(Arc::new(AtomicUsize::new(BEFORE_HEAD_MAX)));
        let allowance = left.clone();
        (Self { inner, left }, allowance)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = this.left.0.load(Ordering::Relaxed);
        if left == 0 {
            let said = format!("{BEFORE_HEAD_MAX} bytes came before the head of an answer");
            return Poll::Ready(Err(io::Error::other(said)));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if left != usize::MAX {
            let rest = left.saturating_sub(buf.filled().len() - before);
            // Where it was lifted meanwhile, it stays so.
            let _ = this
                .left
                .0
                .compare_exchange(left, rest, Ordering::Relaxed, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
