//! A recorder around the load, and what it cost.

use crate::Wanted;
use crate::load::{self, Done};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// What the load runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Under {
    Nothing,
    Lima,
    /// The kernel's statistics cost something themselves, so that these runs count for nothing else.
    LimaWithStatistics,
    Perf,
}

impl Under {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no tracing",
            Self::Lima => "lima record",
            Self::LimaWithStatistics => "lima record, with BPF statistics",
            Self::Perf => "perf lock record",
        }
    }
}

/// What a recorder cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cost {
    /// How long the load ran, seconds.
    pub load_s: f64,
    /// CPU time of the recorder's processes while the load ran, seconds.
    pub cpu_s: f64,
    /// Their CPU time from the first to the last moment, seconds: with loading, attaching, and finishing the trace.
    pub cpu_whole_s: f64,
    /// The most memory that the recorder's process had resident, bytes.
    pub resident_bytes: u64,
    /// Memory of its BPF maps in the kernel, bytes.
    pub maps_bytes: u64,
    /// What it wrote, bytes.
    pub written_bytes: u64,
    /// How many waits it recorded; for perf, half the number of its samples.
    pub waits: u64,
    /// Time in its BPF programs by name, nanoseconds (with statistics only).
    pub bpf_ns: BTreeMap<String, u64>,
    /// Whether nothing was lost (LIMA only).
    pub complete: bool,
}

/// Whether perf can be compared with.
pub fn perf_works() -> bool {
    let found = Command::new("perf").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Runs the load under a recorder.
pub fn run(under: Under, wanted: &Wanted, folder: &Path) -> Result<(Done, Option<Cost>)> {
    let trace = folder.join("trace");
    let result = match under {
        Under::Nothing => Ok((load::run(wanted.seconds, folder)?, None)),
        Under::Perf => under_perf(wanted, folder, &trace),
        Under::Lima => under_lima(wanted, folder, &trace),
        Under::LimaWithStatistics => {
            let _statistics = statistics()?;
            under_lima(wanted, folder, &trace)
        }
    };
    let _ = fs::remove_dir_all(&trace);
    let _ = fs::remove_file(&trace);
    result
}

/// Keeps `kernel.bpf_stats_enabled` off, which makes every BPF program slower, and puts it back when dropped.
#[derive(Debug)]
pub struct StatisticsOff {
    before: String,
}

impl StatisticsOff {
    const SETTING: &str = "/proc/sys/kernel/bpf_stats_enabled";

    pub fn set() -> Result<Self> {
        let before = fs::read_to_string(Self::SETTING).context("cannot read kernel.bpf_stats_enabled")?;
        if before.trim() != "0" {
            eprintln!("kernel.bpf_stats_enabled is {}; it is 0 while this runs", before.trim());
            fs::write(Self::SETTING, "0").context("cannot set kernel.bpf_stats_enabled")?;
        }
        Ok(Self { before })
    }
}

impl Drop for StatisticsOff {
    fn drop(&mut self) {
        if self.before.trim() != "0"
            && let Err(error) = fs::write(Self::SETTING, &self.before)
        {
            eprintln!("cannot put kernel.bpf_stats_enabled back to {}: {error}", self.before.trim());
        }
    }
}

/// The kernel counts the time of BPF programs as long as this is open: nothing has to be put back afterwards.
fn statistics() -> Result<OwnedFd> {
    const BPF_ENABLE_STATS: libc::c_int = 32;
    // `enable_stats.type` of `union bpf_attr`: BPF_STATS_RUN_TIME.
    let attributes: [u32; 1] = [0];
    // SAFETY: the attributes are as long as the call is told, and outlive it.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_ENABLE_STATS, attributes.as_ptr(), size_of_val(&attributes)) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error()).context("the kernel does not count the time of BPF programs");
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) })
}

fn under_lima(wanted: &Wanted, folder: &Path, trace: &Path) -> Result<(Done, Option<Cost>)> {
    let mut command = Command::new(&wanted.lima);
    command.args(["record", "-o"]).arg(trace);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot run lima")?;
    let mut errors = BufReader::new(child.stderr.take().context("no standard error")?);
    let mut said = String::new();
    while !said.contains("recording") {
        if errors.read_line(&mut said)? == 0 {
            bail!("lima record does not record: {said}");
        }
    }
    let recorder = Running::watch(child);
    let (done, mut cost) = recorder.load(wanted, folder)?;
    errors.read_to_string(&mut said)?;
    cost.written_bytes = size_of_tree(trace)?;
    let manifest: Value = serde_json::from_slice(&fs::read(trace.join("trace.json")).context(said)?)?;
    let programs = manifest["programs"].as_array().context("no programs in the manifest")?;
    let times = programs.iter().filter_map(|program| Some((program["name"].as_str()?, program["run_ns"].as_u64()?)));
    cost.bpf_ns = times.map(|(name, ns)| (name.to_owned(), ns)).collect();
    cost.complete = manifest["complete"] == true;
    let report = Command::new(&wanted.lima).args(["report", "--by", "type", "--format", "json"]).arg(trace).output()?;
    let report: Value = serde_json::from_slice(&report.stdout).context("lima report gives no JSON")?;
    let rows = report["rows"].as_array().context("a report without rows")?;
    cost.waits = rows.iter().filter_map(|row| row["waits"].as_u64()).sum();
    Ok((done, Some(cost)))
}

fn under_perf(wanted: &Wanted, folder: &Path, data: &Path) -> Result<(Done, Option<Cost>)> {
    let fifo = |name: &str| -> Result<(PathBuf, File)> {
        let path = folder.join(name);
        let _ = fs::remove_file(&path);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)?;
        let file = File::options().read(true).write(true).open(&path)?;
        Ok((path, file))
    };
    // perf says when it is ready only to who controls it.
    let ((control_path, mut control), (answer_path, answer)) = (fifo("control")?, fifo("answer")?);
    let mut command = Command::new("perf");
    command.args(["lock", "record", "-a", "-D", "-1", "--control"]);
    command.arg(format!("fifo:{},{}", control_path.display(), answer_path.display())).arg("-o").arg(data);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot run perf")?;
    let mut errors = child.stderr.take().context("no standard error")?;
    writeln!(control, "enable")?;
    BufReader::new(answer).read_line(&mut String::new())?;
    let (done, mut cost) = Running::watch(child).load(wanted, folder)?;
    cost.written_bytes = fs::metadata(data)?.len();
    let mut said = String::new();
    errors.read_to_string(&mut said)?;
    // "[ perf record: Captured and wrote 20.316 MB p.data (120949 samples) ]": a begin and an end for each wait.
    let samples = said.split(" samples)").next().and_then(|text| text.rsplit('(').next()?.parse::<u64>().ok());
    cost.waits = samples.unwrap_or_default() / 2;
    Ok((done, Some(cost)))
}

/// A recorder at work.
struct Running {
    pid: rustix::process::Pid,
}

impl Running {
    /// The child is waited for here, by hand, for the sake of what the kernel says about it then.
    fn watch(child: Child) -> Self {
        Self { pid: rustix::process::Pid::from_child(&child) }
    }

    /// Runs the load, ends the recorder, and says what it cost.
    fn load(self, wanted: &Wanted, folder: &Path) -> Result<(Done, Cost)> {
        let (before, begin) = (self.cpu_s()?, Instant::now());
        let done = load::run(wanted.seconds, folder);
        let (after, load_s) = (self.cpu_s()?, begin.elapsed().as_secs_f64());
        let maps_bytes = self.maps_bytes()?;
        rustix::process::kill_process(self.pid, rustix::process::Signal::INT)?;

        let mut status = 0;
        // SAFETY: an rusage is numbers only, for which zero is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to local variables that the call may write to.
        let waited = unsafe { libc::wait4(self.pid.as_raw_pid(), &mut status, 0, &mut usage) };
        if waited != self.pid.as_raw_pid() {
            return Err(std::io::Error::last_os_error()).context("the recorder is gone");
        }
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        let cost = Cost {
            load_s,
            cpu_s: after - before,
            cpu_whole_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            resident_bytes: u64::try_from(usage.ru_maxrss)? * 1024,
            maps_bytes,
            ..Cost::default()
        };
        Ok((done?, cost))
    }

    /// CPU time so far, of all its threads, those that have ended among them.
    fn cpu_s(&self) -> Result<f64> {
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointers are to local variables that the calls may write to.
        let known = unsafe {
            libc::clock_getcpuclockid(self.pid.as_raw_pid(), &mut clock) == 0
                && libc::clock_gettime(clock, &mut time) == 0
        };
        if !known {
            bail!("the recorder has ended too early");
        }
        Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    /// Memory that the kernel accounts to the BPF maps that the recorder has open.
    fn maps_bytes(&self) -> Result<u64> {
        let mut maps = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/fdinfo", self.pid.as_raw_pid()))? {
            let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
            let field = |name: &str| {
                let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                value.and_then(|value| value.trim().parse::<u64>().ok())
            };
            // The same map may be open twice.
            if let (Some(id), Some(bytes)) = (field("map_id"), field("memlock")) {
                maps.insert(id, bytes);
            }
        }
        Ok(maps.values().sum())
    }
}

fn size_of_tree(path: &Path) -> Result<u64> {
    let about = fs::symlink_metadata(path)?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    fs::read_dir(path)?.map(|entry| size_of_tree(&entry?.path())).sum()
}
