//! What Ballista has to say, for whoever started it: on standard error.

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Writes warnings and errors, a line each.
struct Said;

impl Log for Said {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("{} {}: {}", record.level(), record.target(), record.args());
        }
    }

    fn flush(&self) {}
}

/// From now on it is written.
pub(crate) fn listen() {
    // Whoever was there before keeps writing.
    let _ = log::set_logger(&Said);
    log::set_max_level(LevelFilter::Warn);
}
