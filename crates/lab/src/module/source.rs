//! The module's source, carried along so that it can be built where only the command is.

/// A file by its name, with its text.
type File = (&'static str, &'static str);

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../../../../lab/modules/", $name)))),*] };
}

/// The name of the module.
pub(super) const NAME: &str = "lima_locks";

/// All files that building needs.
pub(super) const FILES: &[File] = files! {
    "Kbuild"
    "boxes.c"
    "churn.c"
    "classes.c"
    "clock.c"
    "command.c"
    "crew.c"
    "lima_locks.h"
    "locks.c"
    "main.c"
    "plan.c"
    "result.c"
    "scenes.c"
    "shapes.c"
    "sites.h"
    "sites_bits.c"
    "sites_mutex.c"
    "sites_percpu_rwsem.c"
    "sites_raw_spinlock.c"
    "sites_rtmutex.c"
    "sites_rwlock.c"
    "sites_rwsem.c"
    "sites_semaphore.c"
    "sites_seqlock.c"
    "sites_spinlock.c"
    "sites_ww_mutex.c"
    "turns.c"
    "ways.c"
};

/// A number that is another one when a file is (FNV-1a, which is enough to tell versions apart).
pub(super) fn fingerprint() -> u64 {
    let bytes = FILES.iter().flat_map(|(name, text)| [name.as_bytes(), &[0], text.as_bytes(), &[0]]).flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_file_of_the_module_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/modules");
        let there: BTreeSet<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name == "Kbuild" || name.ends_with(".c") || name.ends_with(".h"))
            .collect();
        let carried: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(carried, there);
    }

    #[test]
    fn every_file_is_built() {
        let (_, kbuild) = FILES.iter().find(|(name, _)| *name == "Kbuild").unwrap();
        for (name, _) in FILES {
            if let Some(stem) = name.strip_suffix(".c") {
                assert!(kbuild.split_whitespace().any(|word| word == format!("{stem}.o")), "{name}");
            }
        }
    }
}
