//! Build ids as they are written, and where files of debug information lie that have them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where distributions put debug information, by build id.
pub const DEBUG: &str = "/usr/lib/debug";

/// A build id as it is written: in hex.
pub fn hex(id: &[u8]) -> String {
    id.iter().fold(String::with_capacity(2 * id.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The file of debug information with this build id, in hex, below a folder such as [`DEBUG`]; `None` for what is no build id.
pub fn debug_file(folder: &Path, id: &str) -> Option<PathBuf> {
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (first, rest) = id.split_at_checked(2).filter(|(_, rest)| !rest.is_empty())?;
    Some(folder.join(format!(".build-id/{first}/{rest}.debug")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_files_lie_by_the_first_byte_of_their_build_id() {
        let id = hex(&[0x01, 0xfe, 0x20]);
        assert_eq!(id, "01fe20");
        let expected = Path::new("/usr/lib/debug/.build-id/01/fe20.debug");
        assert_eq!(debug_file(Path::new(DEBUG), &id).as_deref(), Some(expected));
        for wrong in ["", "0", "01", "../../etc", "01/../../x", "größe"] {
            assert_eq!(debug_file(Path::new(DEBUG), wrong), None, "{wrong}");
        }
    }
}
