//! What the manifest says about the machine.

use lima_model::manifest::{Clock, Kernel, Manifest};
use rustix::system::uname;
use rustix::time::{ClockId, clock_gettime};
use std::fs;

/// Fills in the machine's name and kernel.
pub fn describe(manifest: &mut Manifest) {
    let names = uname();
    manifest.host = names.nodename().to_string_lossy().into_owned();
    manifest.kernel = Kernel {
        release: names.release().to_string_lossy().into_owned(),
        version: names.version().to_string_lossy().into_owned(),
        machine: names.machine().to_string_lossy().into_owned(),
        build_id: fs::read("/sys/kernel/notes").ok().and_then(|notes| build_id(&notes)).unwrap_or_default(),
        cpus: u32::try_from(std::thread::available_parallelism().map_or(0, usize::from)).unwrap_or(0),
        per_cpu: Vec::new(),
    };
}

/// The clocks, now.
pub fn clock() -> Clock {
    let nanoseconds = |id| {
        let time = clock_gettime(id);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    Clock {
        start_unix_ns: nanoseconds(ClockId::Realtime),
        start_mono_ns: u64::try_from(nanoseconds(ClockId::Monotonic)).unwrap_or(0),
        duration_ns: 0,
    }
}

/// The build id among ELF notes: name `GNU`, type 3 (NT_GNU_BUILD_ID).
fn build_id(mut notes: &[u8]) -> Option<String> {
    let number = |at: &[u8], index: usize| Some(u32::from_ne_bytes(at.get(index..index + 4)?.try_into().ok()?));
    loop {
        let (name_size, size, kind) = (number(notes, 0)? as usize, number(notes, 4)? as usize, number(notes, 8)?);
        let start = 12 + name_size.next_multiple_of(4);
        let name = notes.get(12..12 + name_size)?;
        let content = notes.get(start..start.checked_add(size)?)?;
        if kind == 3 && name == b"GNU\0" {
            return Some(lima_model::build_id::hex(content));
        }
        notes = notes.get(start + size.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_build_id() {
        let mut notes = Vec::new();
        for (kind, content) in [(1u32, [0u8; 4]), (3, [0xde, 0xad, 0xbe, 0xef])] {
            notes.extend([4u32.to_ne_bytes(), 4u32.to_ne_bytes(), kind.to_ne_bytes()].concat());
            notes.extend(b"GNU\0");
            notes.extend(content);
        }
        assert_eq!(build_id(&notes).as_deref(), Some("deadbeef"));
        assert_eq!(build_id(&notes[..20]), None);
        assert_eq!(build_id(&[]), None);
    }
}
