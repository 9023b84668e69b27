//! Why the collector does not work.

use std::io;

/// Why the collector does not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs could not be loaded.
    #[error("the kernel did not take LIMA's programs: {source}. {advice}")]
    Load {
        /// What libbpf says.
        source: libbpf_rs::Error,
        /// What can be done.
        advice: &'static str,
    },
    /// The programs could not be attached.
    #[error("cannot attach to {event}: {source}; run `lima doctor` to see what this kernel permits")]
    Attach {
        /// The kernel event.
        event: String,
        /// What libbpf says.
        source: libbpf_rs::Error,
    },
    /// This kernel has no type information.
    #[error(
        "this kernel has no BTF (/sys/kernel/btf/vmlinux is missing), which LIMA needs to know the kernel's types; \
         use a kernel built with CONFIG_DEBUG_INFO_BTF, as Debian's are"
    )]
    NoBtf,
    /// Something asked for is not possible.
    #[error("{0}")]
    Option(String),
    /// A map could not be read or written.
    #[error("cannot {what}: {source}")]
    Map {
        /// What was tried.
        what: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn load(source: libbpf_rs::Error) -> Self {
        let advice = match source.kind() {
            libbpf_rs::ErrorKind::PermissionDenied => {
                "Recording needs root, or the capabilities CAP_BPF and CAP_PERFMON; `lima doctor` shows what is missing"
            }
            _ => "`lima doctor` shows what this kernel permits",
        };
        Self::Load { source, advice }
    }

    pub(crate) fn map(what: &'static str) -> impl FnOnce(libbpf_rs::Error) -> Self {
        move |source| Self::Map { what, source: io::Error::other(source.to_string()) }
    }
}
