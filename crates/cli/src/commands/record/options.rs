//! What `record` and `stat` can be asked, and what it means for the collector.

use super::profile::ProfileOptions;
use super::units;
use anyhow::{Context, Result, bail, ensure};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use lima_model::manifest::{self, Filter};
use lima_model::{LockType, escape};
use lima_probe::contention::{Filters, Options, TenantBy, comm_tenant, user_tenant};
use lima_probe::tenants::{CgroupLayout, Namer, Users, scan_sandboxes};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of a recording.
#[derive(Args, Debug)]
pub struct RecordOptions {
    /// How long to record: 10s, 500ms, 2m (default: until Ctrl-C)
    #[arg(short = 'd', long, value_name = "TIME", value_parser = units::some_time, conflicts_with = "command")]
    pub duration: Option<Duration>,

    /// Record while this command runs, and pass on its exit status
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,

    /// What is traced: waits alone, or every acquisition and hold besides (the kernel must permit fentry)
    #[arg(long, value_name = "LEVEL", default_value = "contention")]
    pub level: LevelName,

    /// Keep single waits as events from this duration on; 0 keeps all. Totals always count every wait
    #[arg(long, value_name = "TIME", default_value = "50us", value_parser = units::duration)]
    pub threshold: Duration,

    /// Sum up waits over this long, for reports that show when
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    pub bucket: Duration,

    /// Record the user stacks of waiters, too
    #[arg(long)]
    pub user_stacks: bool,

    /// What makes a tenant
    #[arg(long, value_name = "WHAT", default_value = "cgroup")]
    pub tenant_by: TenantKind,

    /// Most keys (lock, stack, tenants ...) of the totals in one bucket [default: 16384; 32768 with --level acquisitions, which
    /// takes 29 MB of memory a CPU, and never more than 256 MB in all]. What finds no room goes through the buffer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub max_totals: Option<u32>,

    /// Size of the buffer for single waits: 4M, 512K (a power of two)
    #[arg(long, value_name = "BYTES", default_value = "4M", value_parser = units::bytes)]
    pub buffer: u64,

    /// Count only waits of these processes: 1234,1235
    #[arg(long, value_name = "PID", value_delimiter = ',', help_heading = "Filters, applied in the kernel")]
    pub pid: Vec<u32>,

    /// ... of these threads
    #[arg(long, value_name = "TID", value_delimiter = ',', help_heading = "Filters, applied in the kernel")]
    pub tid: Vec<u32>,

    /// ... of processes with this name; may be given several times
    #[arg(long, value_name = "NAME", help_heading = "Filters, applied in the kernel")]
    pub comm: Vec<String>,

    /// ... of this cgroup and all below it: its path, from the root of the hierarchy or as a folder
    #[arg(long, value_name = "PATH", help_heading = "Filters, applied in the kernel")]
    pub cgroup: Option<PathBuf>,

    /// ... of this tenant: its name in reports, the path of its cgroup (its first slash may be missing), its container
    /// id or at least 12 digits of it; may be given several times
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(),
          help_heading = "Filters, applied in the kernel")]
    pub tenant: Vec<String>,

    /// ... that end on these CPUs: 0,2-5
    #[arg(long, value_name = "LIST", value_parser = units::cpus, help_heading = "Filters, applied in the kernel")]
    pub cpu: Option<units::Cpus>,

    /// ... for these lock types: mutex, rwsem, spinlock, rwlock, rtmutex, percpu_rwsem, semaphore, rwlock_rt; with --level
    /// acquisitions also socket_lock, bit_lock (waits for pages and buffers), srcu and rcu (read sections), which are not
    /// among the usual ones: `--type +socket_lock` adds it to them
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = type_filter,
          help_heading = "Filters, applied in the kernel")]
    pub lock_type: Vec<TypeFilter>,

    #[command(flatten)]
    pub profile: ProfileOptions,
}

/// The levels of tracing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelName {
    /// Waits: cheap enough for production
    Contention,
    /// Every acquisition, hold and initialisation besides
    Acquisitions,
}

impl LevelName {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// What makes a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TenantKind {
    /// The cgroup: a container, a unit, a pod
    Cgroup,
    /// The pid namespace
    Pidns,
    /// The name of the process
    Comm,
    /// The user
    User,
}

pub(super) fn lock_type(text: &str) -> Result<LockType, String> {
    LockType::from_name(text).filter(|lock_type| LockType::TRACED.contains(lock_type)).ok_or_else(|| {
        let all = LockType::TRACED.iter().chain(LockType::ON_REQUEST);
        let names: Vec<_> = all.map(|lock_type| lock_type.name()).collect();
        format!("no such lock type; there are {}", names.join(", "))
    })
}

/// A lock type that was asked for, or one that was asked for besides the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeFilter {
    lock_type: LockType,
    besides: bool,
}

impl std::fmt::Display for TypeFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.besides { "+" } else { "" }, self.lock_type.name())
    }
}

fn type_filter(text: &str) -> Result<TypeFilter, String> {
    let (name, besides) = text.strip_prefix('+').map_or((text, false), |name| (name, true));
    let on_request = LockType::ON_REQUEST.iter().copied().find(|lock_type| lock_type.name() == name);
    Ok(TypeFilter { lock_type: on_request.map_or_else(|| lock_type(name), Ok)?, besides })
}

/// A recording as the collector wants it.
#[derive(Debug)]
pub struct Plan {
    pub options: Options,
    pub layout: CgroupLayout,
    pub asked: manifest::Options,
}

impl RecordOptions {
    /// Checks the options against each other and the machine.
    pub fn plan(&self) -> Result<Plan> {
        ensure!(
            self.bucket >= Duration::from_millis(10),
            "--bucket: 10ms is the least, {:?} was asked for",
            self.bucket
        );
        ensure!(self.bucket <= Duration::from_secs(3600), "--bucket: 1h is the most, {:?} was asked for", self.bucket);
        let layout = CgroupLayout::detect(Path::new("/"));
        let tenant_by = match self.tenant_by {
            TenantKind::Cgroup => TenantBy::Cgroup(layout.controller.map(str::to_owned)),
            TenantKind::Pidns => TenantBy::Pidns,
            TenantKind::Comm => TenantBy::Comm,
            TenantKind::User => TenantBy::User,
        };
        let acquisitions = self.level == LevelName::Acquisitions;
        let (profile, types_of_chosen) = self.profile.plan(acquisitions)?;
        let mut filters = self.filters(&layout)?;
        if filters.types.is_empty() {
            // Functions that take other types need not be traced.
            filters.types = types_of_chosen;
        }
        let options = Options {
            threshold_ns: nanoseconds(self.threshold),
            tenant_by,
            user_stacks: self.user_stacks,
            filters,
            max_totals: self.max_totals(),
            acquisitions,
            profile,
            buffer_bytes: u32::try_from(self.buffer)?,
        };
        let asked = manifest::Options {
            level: self.level.name(),
            threshold_ns: options.threshold_ns,
            bucket_ns: nanoseconds(self.bucket),
            user_stacks: self.user_stacks,
            tenant_by: self.tenant_by.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
            cgroup_hierarchy: layout.hierarchy.clone(),
            filters: self.asked_filters(),
            stats: options.profile.stats.iter().map(|stat| stat.name().to_owned()).collect(),
            sample: options.profile.sample.iter().map(|&(kind, every)| (kind.name().to_owned(), every)).collect(),
            max_totals: self.max_totals(),
            buffer_bytes: self.buffer,
        };
        Ok(Plan { options, layout, asked })
    }

    fn max_totals(&self) -> u32 {
        let usual = match self.level {
            LevelName::Contention => 16_384,
            LevelName::Acquisitions => 32_768,
        };
        self.max_totals.unwrap_or(usual)
    }

    fn filters(&self, layout: &CgroupLayout) -> Result<Filters> {
        if let Some(long) = self.comm.iter().find(|comm| comm.len() > 15) {
            bail!("--comm {}: the kernel keeps 15 bytes of a name; give its first 15", escape::terminal(long));
        }
        Ok(Filters {
            pids: self.pid.clone(),
            tids: self.tid.clone(),
            comms: self.comm.clone(),
            cgroup: self.cgroup.as_deref().map(|path| cgroup(path, layout)).transpose()?,
            tenants: if self.tenant.is_empty() { None } else { Some(self.tenants(layout)?) },
            cpus: self.cpu.as_ref().map(|cpus| cpus.0.clone()).unwrap_or_default(),
            types: self.types()?,
        })
    }

    fn types(&self) -> Result<Vec<LockType>> {
        let mut types: Vec<_> = self.lock_type.iter().map(|filter| filter.lock_type).collect();
        let asked = types.iter().find(|lock_type| LockType::ON_REQUEST.contains(lock_type));
        if let (Some(lock_type), LevelName::Contention) = (asked, self.level) {
            bail!(
                "--type {}: the kernel's tracepoints do not tell of it; add --level acquisitions to record it",
                lock_type.name()
            );
        }
        if self.lock_type.iter().any(|filter| filter.besides) {
            types.extend(LockType::TRACED);
        }
        Ok(types)
    }

    /// The kernel side's numbers of the tenants that were named.
    fn tenants(&self, layout: &CgroupLayout) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        let users = Users::read(Path::new("/"));
        let mut namer = Namer::new(layout.clone());
        let sandboxes = scan_sandboxes(Path::new("/proc"));
        for name in &self.tenant {
            let found = match self.tenant_by {
                _ if name == "kernel" => vec![lima_probe::contention::codes::TENANT_KERNEL],
                TenantKind::Cgroup => namer
                    .of_tenant(name)
                    .with_context(|| format!("--tenant {}: several tenants fit that", escape::terminal(name)))?,
                TenantKind::Comm => vec![comm_tenant(name)],
                TenantKind::User => users.number(name).map(user_tenant).into_iter().collect(),
                TenantKind::Pidns => {
                    let number = name.strip_prefix("pidns:").unwrap_or(name);
                    number.split('/').next().and_then(|number| number.parse().ok()).into_iter().collect()
                }
            };
            if found.is_empty() && self.tenant_by == TenantKind::Cgroup {
                // Sandboxes and virtual machines are no cgroups; the recorder finds those that run, and passes them.
                if !sandboxes.iter().any(|sandbox| sandbox.tenant.fits(name).is_some()) {
                    tracing::warn!(
                        "no tenant is called {} now; one that starts later will be recorded",
                        escape::terminal(name)
                    );
                }
            } else if found.is_empty() {
                bail!("--tenant {}: there is none of that name", escape::terminal(name));
            }
            numbers.extend(found);
        }
        Ok(numbers)
    }

    /// The filters as they were asked for, for the manifest.
    fn asked_filters(&self) -> Vec<Filter> {
        let numbers = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect();
        let filters: [(&str, Vec<String>); 9] = [
            ("pid", numbers(&self.pid)),
            ("tid", numbers(&self.tid)),
            ("comm", self.comm.clone()),
            ("cgroup", self.cgroup.iter().map(|path| path.to_string_lossy().into_owned()).collect()),
            ("tenant", self.tenant.clone()),
            ("cpu", self.cpu.as_ref().map(|cpus| numbers(&cpus.0)).unwrap_or_default()),
            ("lock", self.profile.lock.clone()),
            ("site", self.profile.site.clone()),
            ("type", self.lock_type.iter().map(TypeFilter::to_string).collect()),
        ];
        let asked = filters.into_iter().filter(|(_, values)| !values.is_empty());
        asked.map(|(field, values)| Filter { field: field.to_owned(), values }).collect()
    }
}

/// The id and depth of a cgroup, for the filter in the kernel.
fn cgroup(path: &Path, layout: &CgroupLayout) -> Result<(u64, u32)> {
    let mount = layout.mount.as_deref().context("--cgroup: no cgroup hierarchy is mounted here")?;
    let folder =
        if path.starts_with(mount) { path.to_owned() } else { mount.join(path.strip_prefix("/").unwrap_or(path)) };
    let about = std::fs::metadata(&folder).with_context(|| {
        format!(
            "--cgroup {}: there is no such cgroup in the {} hierarchy ({})",
            path.display(),
            layout.hierarchy,
            mount.display()
        )
    })?;
    let inside = folder.strip_prefix(mount).map_or(0, |inside| inside.components().count());
    let above = Path::new(&layout.mount_root).components().skip(1).count();
    Ok((about.ino(), u32::try_from(inside + above)?))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
