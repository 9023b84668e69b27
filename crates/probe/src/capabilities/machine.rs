//! What the kernel says of itself: type information, symbols, cgroups, how it was configured.

use super::{Answer, Finding, Group};
use crate::tenants::CgroupLayout;
use libbpf_rs::btf::{Btf, types};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// How the kernel was configured.
#[derive(Debug, Default)]
pub struct Config {
    /// Where that is written, when it could be read.
    pub source: Option<String>,
    text: String,
}

impl Config {
    /// From `/proc/config.gz`, else `/boot/config-RELEASE`.
    pub fn read() -> Self {
        let mut unpack = Command::new("gzip");
        unpack.args(["-dc", "/proc/config.gz"]).stdin(Stdio::null()).stderr(Stdio::null());
        let packed = unpack.output().ok().filter(|output| output.status.success() && !output.stdout.is_empty());
        if let Some(output) = packed {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            return Self { source: Some("/proc/config.gz".to_owned()), text };
        }
        let boot = format!("/boot/config-{}", rustix::system::uname().release().to_string_lossy());
        fs::read_to_string(&boot).map(|text| Self { source: Some(boot), text }).unwrap_or_default()
    }

    /// Which of these options the kernel was surely built without.
    pub fn lacks<'a>(&self, options: &[&'a str]) -> Vec<&'a str> {
        let set = |option: &str| {
            let value = |line: &str| line.strip_prefix(option).is_some_and(|rest| rest.starts_with('='));
            self.text.lines().any(value)
        };
        options.iter().copied().filter(|option| self.source.is_some() && !set(option)).collect()
    }
}

/// The findings.
pub fn findings() -> Vec<Finding> {
    let mut findings = type_information();
    findings.extend(symbols());
    findings.push(cgroups(&CgroupLayout::detect(Path::new("/"))));
    findings
}

const BTF: &str = "/sys/kernel/btf/vmlinux";

fn type_information() -> Vec<Finding> {
    let btf = if Path::new(BTF).exists() {
        Btf::from_vmlinux().map_err(|error| error.to_string())
    } else {
        Err("no such file".to_owned())
    };
    let tracepoints = btf.as_ref().ok().map(|btf| {
        let known = |name| btf.type_by_name::<types::Typedef<'_>>(name).is_some();
        known("btf_trace_contention_begin") && known("btf_trace_contention_end")
    });
    let found = match &btf {
        Ok(btf) => format!("{} types", btf.len()),
        Err(error) => error.clone(),
    };
    let missing = "use a kernel with CONFIG_DEBUG_INFO_BTF=y (distribution kernels have it)";
    vec![
        Finding {
            key: "btf",
            group: Group::Kernel,
            what: "type information (BTF)",
            answer: Answer::of(btf.is_ok()),
            tried: format!("read {BTF}"),
            found,
            remedy: btf.is_err().then(|| missing.to_owned()),
        },
        Finding {
            key: "lock_tracepoints",
            group: Group::Kernel,
            what: "tracepoints lock:contention_begin and _end",
            answer: tracepoints.map_or(Answer::Unknown, Answer::of),
            tried: "looked them up in the type information".to_owned(),
            found: match tracepoints {
                Some(true) => "both there",
                Some(false) => "not there",
                None => "no type information",
            }
            .to_owned(),
            remedy: (tracepoints != Some(true)).then(|| format!("use Linux 5.19 or later; {missing}")),
        },
    ]
}

/// A symbol of the kernel's data that every kernel has: is data listed?
const A_DATA_SYMBOL: &str = "init_task";

fn symbols() -> Vec<Finding> {
    let seen = File::open("/proc/kallsyms").map(|file| kallsyms(BufReader::new(file)));
    let tried = "read /proc/kallsyms".to_owned();
    let (functions, data, found) = match &seen {
        Ok(Kallsyms { addresses: true, data, .. }) => {
            (Answer::Yes, Answer::of(*data), "addresses are shown".to_owned())
        }
        Ok(Kallsyms { lines: 0, .. }) => (Answer::No, Answer::No, "it is empty".to_owned()),
        Ok(Kallsyms { data, .. }) => (Answer::No, Answer::of(*data), "addresses are shown as zero".to_owned()),
        Err(error) => (Answer::No, Answer::Unknown, error.to_string()),
    };
    let kcore = File::open("/proc/kcore");
    let kcore_refused = kcore.is_err();
    let data_found = if data == Answer::Yes { "listed" } else { "functions only" };
    vec![
        Finding {
            key: "kallsyms",
            group: Group::Kernel,
            what: "symbol addresses",
            answer: functions,
            tried: tried.clone(),
            found,
            remedy: (functions != Answer::Yes).then(|| {
                "run as root or with CAP_SYSLOG, and `sysctl kernel.kptr_restrict=1` (2 hides addresses from everyone); \
                 until then stacks are addresses without names"
                    .to_owned()
            }),
        },
        Finding {
            key: "kcore",
            group: Group::Kernel,
            what: "the kernel's memory (slab caches)",
            answer: Answer::of(kcore.is_ok()),
            tried: "opened /proc/kcore".to_owned(),
            found: kcore.map_or_else(|error| error.to_string(), |_| "opened".to_owned()),
            remedy: kcore_refused.then(|| {
                "as root, on a kernel that is not locked down; from Linux 6.13 on programs ask for slab caches without it"
                    .to_owned()
            }),
        },
        Finding {
            key: "data_symbols",
            group: Group::Kernel,
            what: "symbols of data (names of global locks)",
            answer: data,
            tried: format!("looked for {A_DATA_SYMBOL} in /proc/kallsyms"),
            found: data_found.to_owned(),
            remedy: (data != Answer::Yes).then(|| {
                "use a kernel with CONFIG_KALLSYMS_ALL=y; until then global locks are named by the function that takes them"
                    .to_owned()
            }),
        },
    ]
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Kallsyms {
    lines: usize,
    addresses: bool,
    data: bool,
}

/// Lines `ADDRESS TYPE NAME [MODULE]`.
fn kallsyms(text: impl BufRead) -> Kallsyms {
    let mut seen = Kallsyms::default();
    for line in text.lines().map_while(Result::ok) {
        seen.lines += 1;
        let mut fields = line.split_ascii_whitespace();
        seen.addresses |= fields.next().is_some_and(|address| address.bytes().any(|digit| digit != b'0'));
        seen.data |= fields.nth(1) == Some(A_DATA_SYMBOL);
        if seen.addresses && seen.data {
            break;
        }
    }
    seen
}

fn cgroups(layout: &CgroupLayout) -> Finding {
    let found = match &layout.mount {
        Some(mount) => format!("tenants are read from {} at {}", layout.hierarchy, mount.display()),
        None => "no cgroup hierarchy is mounted where it can be seen".to_owned(),
    };
    Finding {
        key: "cgroups",
        group: Group::Kernel,
        what: "cgroups to tell tenants apart",
        answer: Answer::of(layout.mount.is_some()),
        tried: "read /proc/self/mountinfo and /proc/*/cgroup".to_owned(),
        found,
        remedy: layout.mount.is_none().then(|| {
            "`mount -t cgroup2 none /sys/fs/cgroup`; until then tenants are numbers, or use --tenant-by pidns, comm or user"
                .to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kallsyms_with_and_without_addresses_and_data() {
        let text = "0000000000000000 T _text\n0000000000000000 D init_task\n";
        assert_eq!(kallsyms(text.as_bytes()), Kallsyms { lines: 2, addresses: false, data: true });
        let text = "ffffffff81000000 T _text\nffffffff81000000 T init_task_work\nx\n\n";
        assert_eq!(kallsyms(text.as_bytes()), Kallsyms { lines: 4, addresses: true, data: false });
        assert_eq!(kallsyms("".as_bytes()), Kallsyms::default());
    }

    #[test]
    fn an_option_is_lacking_only_when_the_configuration_is_known() {
        let text = "CONFIG_BPF=y\n# CONFIG_FPROBE is not set\nCONFIG_BPF_JIT_ALWAYS_ON=y\n".to_owned();
        let config = Config { source: Some("x".to_owned()), text };
        assert_eq!(
            config.lacks(&["CONFIG_BPF", "CONFIG_FPROBE", "CONFIG_BPF_JIT"]),
            ["CONFIG_FPROBE", "CONFIG_BPF_JIT"]
        );
        assert!(Config::default().lacks(&["CONFIG_BPF"]).is_empty());
    }
}
