//! Everything that any crate logs while the tests run, spans included.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let writer = self.clone();
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What all tests log, from the first call on. It also keeps every level on for [`told`]: tracing
/// forgets a level when the only subscriber that wants it goes.
pub fn everything() -> &'static Log {
    static ALL: OnceLock<Log> = OnceLock::new();
    ALL.get_or_init(|| {
        let log = Log::default();
        tracing::subscriber::set_global_default(log.subscriber()).unwrap();
        log
    })
}

/// What is logged on this thread while something happens.
pub fn told(act: impl FnOnce()) -> String {
    everything();
    let log = Log::default();
    tracing::subscriber::with_default(log.subscriber(), act);
    String::from_utf8(log.bytes()).unwrap()
}
