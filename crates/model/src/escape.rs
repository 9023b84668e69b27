//! Names that tenants chose (processes, cgroups, containers, files, commands), made safe to show.
//!
//! A trace keeps names as they were, as far as Unicode permits; whoever shows one escapes it for the place it goes to.

use std::fmt::Write;

/// Text from bytes that should be UTF-8 and may not be: each byte that is not becomes `\xNN`.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Text from a C buffer: up to the first NUL, then as [`text`].
pub fn c_text(bytes: &[u8]) -> String {
    text(bytes.split(|&byte| byte == 0).next().unwrap_or_default())
}

/// A name for a terminal: control characters, and those that change the direction of writing, are spelled out.
pub fn terminal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() || is_invisible_format(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A name for a spreadsheet cell: one that a spreadsheet would run as a formula gets a leading apostrophe.
pub fn cell(name: &str) -> String {
    let shown = terminal(name);
    match shown.trim_start().as_bytes().first() {
        Some(b'=' | b'+' | b'-' | b'@') => format!("'{shown}"),
        _ => shown,
    }
}

/// A name for one frame of a folded stack, where `;` separates frames and the last blank precedes the weight.
pub fn folded(name: &str) -> String {
    terminal(name).replace(';', "\\u{3b}")
}

/// Unicode's direction marks, joiners and byte-order mark: they show as nothing and reorder what stands beside them.
fn is_invisible_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_is_spelled_out() {
        assert_eq!(text(b"a\xff\xfeb"), "a\\xff\\xfeb");
        assert_eq!(c_text(b"name\0rest"), "name");
    }

    #[test]
    fn a_terminal_never_sees_a_control_character() {
        assert_eq!(terminal("\x1b[31mred\n"), "\\u{1b}[31mred\\n");
        assert_eq!(terminal("\u{9b}2J\u{202e}x"), "\\u{9b}2J\\u{202e}x");
        assert_eq!(terminal("größe"), "größe");
    }

    #[test]
    fn a_formula_is_not_run() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell(" @SUM(A1)"), "' @SUM(A1)");
        assert_eq!(cell("plain"), "plain");
    }
}
