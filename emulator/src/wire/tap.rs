//! A socket whose every byte is recorded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Record;

/// A client's connection: what it sends and what it gets are two streams of the record.
pub(super) struct Tap {
    socket: TcpStream,
    record: Record,
    sent: usize,
    got: usize,
}

impl Tap {
    pub(super) fn new(socket: TcpStream, record: &Record) -> Self {
        Self { socket, sent: record.open(), got: record.open(), record: record.clone() }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut tap.socket).poll_read(context, buffer))?;
        tap.record.add(tap.sent, buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        let written = ready!(Pin::new(&mut tap.socket).poll_write(context, bytes))?;
        tap.record.add(tap.got, bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}
