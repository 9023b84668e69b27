//! A study made up in a folder, small enough to work its tables out by hand.
//!
//! Two tenants run side by side, `wa` and `wb`. Both take one inode's lock; each takes a `zone.lock` of its own.

use lima_analyze::study::{Results, Study};
use lima_analyze::synthetic::{Acquired, Synthetic, Total};
use lima_model::study::{Group, Helper, Phases, Planned, Run, Status, Tenant};
use lima_model::{Loss, Losses};
use std::path::Path;
use tempfile::TempDir;

/// The platform with three repetitions.
pub const HOST: &str = "host";
const SECOND: u64 = 1_000_000_000;
/// An address as kernels have them: beyond the signed numbers.
const INODE: u64 = 0xffff_8880_0000_1000;

/// A study under way.
pub struct Made(TempDir);

impl Made {
    /// One without runs.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("runs")).unwrap();
        Self(folder)
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Adds a run of a platform; `change` may change what it says and what was recorded.
    pub fn run(&self, platform: &str, repetition: u32, change: impl FnOnce(&mut Run, &mut Synthetic)) {
        let mut front = front(platform, repetition);
        let mut trace = if platform == HOST { shared(repetition) } else { apart() };
        change(&mut front, &mut trace);
        let folder = self.folder().join("runs").join(&front.id);
        std::fs::create_dir_all(&folder).unwrap();
        trace.write(&folder.join("trace.lima")).unwrap();
        std::fs::write(folder.join("run.json"), serde_json::to_vec(&front).unwrap()).unwrap();
    }

    /// Its tables.
    pub fn analyzed(&self) -> Results {
        Study::open(&self.folder().into()).unwrap().analyze(&|_| Ok(None), None, &|_, _| {}).unwrap()
    }
}

/// Three repetitions on the host, one on runc, and runs of runc that cannot be used.
pub fn analyzed() -> Results {
    let made = Made::new();
    for repetition in 1..=3 {
        made.run(HOST, repetition, |_, trace| {
            if repetition == 1 {
                trace.losses = Losses::none();
                trace.losses.set(Loss::Recursion, 3);
            }
        });
    }
    made.run("runc", 1, |_, _| {});
    made.run("runc", 2, |run, _| {
        run.status = Status::Failed;
        run.reason = Some("runc did not start".into());
    });
    made.run("runc", 3, |_, trace| trace.build_id = "bbbb".into());
    made.run("runc", 4, |_, _| {});
    std::fs::remove_file(made.folder().join("runs/runc.wa+wb.r4/run.json")).unwrap();
    made.run("runc", 6, |_, _| {});
    std::fs::remove_file(made.folder().join("runs/runc.wa+wb.r6/trace.lima/trace.json")).unwrap();
    made.run("runc", 7, |run, _| run.tenants[0].name = "/nobody".into());
    let planned = Planned {
        id: "runc.wa+wb.r5".into(),
        platform: "runc".into(),
        workloads: vec!["wa".into(), "wb".into()],
        repetition: 5,
    };
    let study = lima_model::study::Study { name: "made up".into(), plan: vec![planned], ..Default::default() };
    std::fs::write(made.folder().join("study.json"), serde_json::to_vec(&study).unwrap()).unwrap();
    made.analyzed()
}

fn front(platform: &str, repetition: u32) -> Run {
    let tenant = |name: &str, workload: &str, stressor: Option<&str>| Tenant {
        name: name.into(),
        workload: workload.into(),
        group: if stressor.is_some() { Group::Micro } else { Group::Service },
        stressor: stressor.map(str::to_owned),
        ..Tenant::default()
    };
    Run {
        id: format!("{platform}.wa+wb.r{repetition}"),
        platform: platform.into(),
        repetition,
        status: Status::Done,
        level: "acquisitions".into(),
        tenants: vec![tenant("/ta", "wa", Some("mmap")), tenant("/tb", "wb", None)],
        phases: Phases { cold_ns: 2 * SECOND, warm_ns: 4 * SECOND },
        elapsed_traced_ns: Some(11 * SECOND),
        elapsed_untraced_ns: Some(10 * SECOND),
        helpers: vec![Helper { name: "/help".into(), works_for: "/ta".into(), ..Helper::default() }],
        kernel_build_id: "aaaa".into(),
        started: "2026-11-22T00:00:00Z".into(),
        ..Run::default()
    }
}

/// A row of acquisitions by tenant 3, `/ta`.
fn acquired(second: u64, lock: u64, lock_type: &'static str, stack_id: u64, acquisitions: u64) -> Acquired {
    Acquired {
        time_ns: second * SECOND,
        lock,
        lock_type,
        mode: "exclusive",
        stack_id,
        tenant: 3,
        counts: [acquisitions, 0, acquisitions],
        ..Acquired::default()
    }
}

fn trace(acquired: Vec<Acquired>) -> Synthetic {
    let names = [
        (1, "inode.i_rwsem"),
        (2, "zone.lock"),
        (3, "seq_file.lock"),
        (4, "kvm.lock"),
        (5, "stranger.lock"),
        (6, "sometimes"),
    ];
    let objects = acquired.iter().filter_map(|row| {
        let &(_, name) = names.iter().find(|(stack, _)| *stack == row.stack_id)?;
        Some((row.lock, row.life, row.stack_id, name, "site"))
    });
    let mut objects: Vec<_> = objects.collect();
    objects.sort_unstable();
    objects.dedup();
    Synthetic {
        objects,
        acquired,
        phases: vec![(0, "cold".into()), (2 * SECOND, "warm".into())],
        stacks: (1..=6).map(|id| (id, None, vec![0x100 * id])).collect(),
        tenants: [(3, "/ta"), (4, "/tb"), (5, "/help"), (6, "/other")]
            .map(|(number, name)| (number, name.into()))
            .into(),
        build_id: "aaaa".into(),
        losses: Losses::none(),
        ..Synthetic::default()
    }
}

/// Both tenants take the inode's lock, `/ta` 1, 2 and 6 times as often in the three repetitions.
fn shared(repetition: u32) -> Synthetic {
    let k = [1, 2, 6][(repetition as usize - 1).min(2)];
    let of_b = |row: Acquired| Acquired { tenant: 4, ..row };
    let life = |life: u32, acquisitions: u64| Acquired {
        life,
        ..acquired(u64::from(life > 1), 0xffff_8880_0000_4000, "mutex", 3, acquisitions)
    };
    let mut rows = vec![
        acquired(1, INODE, "rwsem", 1, 10 * k),
        Acquired { hold_ns: [SECOND / 10, 1, SECOND / 10], ..acquired(2, INODE, "rwsem", 1, 15 * k) },
        Acquired { hold_ns: [3 * SECOND / 10, 1, SECOND / 10], ..acquired(4, INODE, "rwsem", 1, 25 * k) },
        of_b(acquired(1, INODE, "rwsem", 1, 10)),
        of_b(acquired(5, INODE, "rwsem", 1, 20)),
        acquired(3, 0xffff_8880_0000_2000, "spinlock", 2, 40),
        of_b(acquired(3, 0xffff_8880_0000_3000, "spinlock", 2, 20)),
        life(1, 6),
        life(2, 0),
        life(3, 1),
        Acquired { tenant: 6, ..acquired(3, INODE, "rwsem", 5, 1_000) },
    ];
    if repetition == 1 {
        rows.push(of_b(acquired(0, 0xffff_8880_0000_6000, "spinlock", 6, 6)));
    }
    let mut trace = trace(rows);
    let waited = Total {
        time_ns: 3 * SECOND,
        lock: INODE,
        lock_type: "rwsem",
        mode: "write",
        stack_id: 1,
        waiter: 4,
        holder: 3,
        method: "exact",
        waits: vec![SECOND / 10 + 4_000_000],
        parts: [SECOND / 10, 4_000_000, 0],
        ..Total::default()
    };
    trace.totals = vec![waited];
    trace
}

/// Nothing in common: `/ta` with its helper takes locks of its own.
fn apart() -> Synthetic {
    trace(vec![
        acquired(1, 0xffff_8880_0000_2000, "spinlock", 2, 10),
        acquired(3, 0xffff_8880_0000_2000, "spinlock", 2, 40),
        Acquired { tenant: 5, ..acquired(3, 0xffff_8880_0000_5000, "mutex", 4, 8) },
        Acquired { tenant: 4, ..acquired(3, 0xffff_8880_0000_3000, "spinlock", 2, 20) },
    ])
}
