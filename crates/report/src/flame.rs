//! Weighed stacks: as folded lines, which other tools read, and as a flame graph.

use anyhow::Result;
use inferno::flamegraph::{Options, from_lines};
use lima_analyze::{About, Flame};
use lima_model::escape;
use std::fmt::Write;

/// `frame;frame;frame NANOSECONDS`, a stack a line, the outermost frame first.
pub fn folded(flame: &Flame) -> String {
    let mut out = String::new();
    for (frames, weight) in flame {
        let frames: Vec<_> = frames.iter().map(|frame| self::frame(frame)).collect();
        let _ = writeln!(out, "{} {weight}", frames.join(";"));
    }
    out
}

/// A flame graph.
pub fn svg(about: &About, flame: &Flame) -> Result<Vec<u8>> {
    if flame.is_empty() {
        return Ok(EMPTY.into());
    }
    let mut options = Options::default();
    options.title = "Time waited for kernel locks".to_owned();
    options.subtitle = Some(xml(&crate::frame::path(about)));
    options.count_name = "ns".to_owned();
    options.name_type = "Function:".to_owned();
    // The same trace gives the same picture.
    options.deterministic = true;
    let mut out = Vec::new();
    from_lines(&mut options, folded(flame).lines(), &mut out)?;
    Ok(out)
}

const EMPTY: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"40\">\
    <text x=\"10\" y=\"25\" font-family=\"sans-serif\">No lock was waited for.</text></svg>\n";

fn frame(name: &str) -> String {
    if name.is_empty() { "[no name]".to_owned() } else { xml(&escape::folded(name)) }
}

/// Without the two characters that are not allowed in XML and no control characters.
fn xml(text: &str) -> String {
    text.replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}
