//! What Ballista has to say, for whoever started it: where LIMA's own warnings go.

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Passes warnings and errors on.
struct Said;

impl Log for Said {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        match record.level() {
            Level::Error => tracing::error!("{}: {}", record.target(), record.args()),
            Level::Warn => tracing::warn!("{}: {}", record.target(), record.args()),
            _ => {}
        }
    }

    fn flush(&self) {}
}

/// From now on it is passed on.
pub(crate) fn listen() {
    // Whoever was there before keeps listening.
    let _ = log::set_logger(&Said);
    log::set_max_level(LevelFilter::Warn);
}
