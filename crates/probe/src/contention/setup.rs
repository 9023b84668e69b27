//! Before anything is collected: the settings of the programs, their maps and filters, and attaching them.

use super::skeleton::{ContentionSkel, OpenContentionSkel};
use super::slots::SlotTable;
use super::{Error, Options, Record, TenantBy, codes, types};
use libbpf_rs::skel::{OpenSkel, Skel};
use libbpf_rs::{Link, MapCore, MapFlags, RingBuffer, RingBufferBuilder};
use lima_model::LockType;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Sets what is decided before the programs are loaded.
pub(super) fn configure(open: &mut OpenContentionSkel<'_>, options: &Options) -> Result<(), Error> {
    for map in [&mut open.maps.totals_0, &mut open.maps.totals_1, &mut open.maps.tasks_0, &mut open.maps.tasks_1] {
        map.set_max_entries(options.max_totals).map_err(Error::map("set the size of the totals"))?;
    }
    if options.acquisitions {
        let cpus = libbpf_rs::num_possible_cpus().map_err(Error::map("count the CPUs"))?;
        let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
        open.maps.helds.set_max_entries(1 << HELD_BITS).map_err(Error::map("set the size of the holds"))?;
        open.maps.cpu_parts.set_max_entries(cpus).map_err(Error::map("set the number of CPUs"))?;
    } else {
        open.maps.contests.set_max_entries(1).map_err(Error::map("set the size of a map"))?;
    }
    if options.profile.chooses_locks() {
        open.maps.chosen_locks.set_max_entries(CHOSEN).map_err(Error::map("set the number of locks"))?;
    }
    open.maps.records.set_max_entries(options.buffer_bytes).map_err(Error::map("set the size of the ring buffer"))?;
    let spin_functions = choose_slow_paths(open, options.acquisitions && options.waits())?;
    let rodata = open.maps.rodata_data.as_deref_mut();
    let Some(rodata) = rodata else { return Err(Error::Option("the BPF object lacks its settings".to_owned())) };
    rodata.settings = settings(options)?;
    rodata.settings.spin_functions = spin_functions.into();
    Ok(())
}

/// Leaves out the programs on slow paths that this kernel does not have, or all of them; says whether there are any of
/// spinlocks.
fn choose_slow_paths(open: &mut OpenContentionSkel<'_>, wanted: bool) -> Result<bool, Error> {
    let btf = libbpf_rs::btf::Btf::from_vmlinux().map_err(Error::load)?;
    let mut any = false;
    for mut program in open.open_object_mut().progs_mut() {
        let section = program.section().to_string_lossy().into_owned();
        let Some(function) = section.strip_prefix("fentry/").or_else(|| section.strip_prefix("fexit/")) else {
            continue;
        };
        let there = wanted && btf.type_by_name::<libbpf_rs::btf::types::Func<'_>>(function).is_some();
        program.set_autoload(there);
        any |= there && function.contains("spin_lock");
    }
    Ok(any)
}

/// Locks that can be chosen, as in `bpf/basics.bpf.h`: a power of two.
const CHOSEN: u32 = 1 << 14;

/// Locks that can be held at once: a power of two.
const HELD_BITS: u32 = 13;

/// The options as the programs read them.
pub(crate) fn settings(options: &Options) -> Result<types::settings, Error> {
    let filters = &options.filters;
    let (tenant_by, controller) = match &options.tenant_by {
        TenantBy::Cgroup(None) => (0, 0),
        TenantBy::Cgroup(Some(name)) => (1, controller_number(name)?),
        TenantBy::Pidns => (2, 0),
        TenantBy::Comm => (3, 0),
        TenantBy::User => (4, 0),
    };
    let types = if filters.types.is_empty() { LockType::TRACED } else { &filters.types };
    let mut type_mask = types.iter().fold(0, |mask, &lock_type| mask | 1 << lock_type as u32);
    if options.acquisitions && types.contains(&LockType::Mutex) {
        // Tracepoints call both mutexes; only lock functions tell them apart.
        type_mask |= 1 << LockType::WwMutex as u32;
    }
    Ok(types::settings {
        threshold_ns: options.threshold_ns,
        wakeup_bytes: u64::from(options.buffer_bytes) / 4,
        cgroup_id: filters.cgroup.map_or(0, |(id, _)| id),
        tenant_by,
        controller,
        cgroup_level: filters.cgroup.map_or(0, |(_, level)| level),
        type_mask,
        slot_mask: options.max_totals.next_power_of_two().min(codes::SLOTS) - 1,
        held_bits: HELD_BITS,
        filter_cgroup: filters.cgroup.is_some().into(),
        filter_tgid: (!filters.pids.is_empty()).into(),
        filter_tid: (!filters.tids.is_empty()).into(),
        filter_comm: (!filters.comms.is_empty()).into(),
        filter_tenant: filters.tenants.is_some().into(),
        filter_cpu: (!filters.cpus.is_empty()).into(),
        user_stacks: options.user_stacks.into(),
        peek: 1,
        exact: options.exact().into(),
        acquisitions: options.acquisitions.into(),
        spin_functions: 0,
        filter_lock: options.profile.chooses_locks().into(),
        zero: [0; 4],
    })
}

/// This kernel's number of a v1 controller: `enum cgroup_subsys_id` in its BTF.
fn controller_number(name: &str) -> Result<u32, Error> {
    let wanted = format!("{name}_cgrp_id");
    let btf = libbpf_rs::btf::Btf::from_vmlinux().map_err(Error::load)?;
    let subsystems = btf.type_by_name::<libbpf_rs::btf::types::Enum<'_>>("cgroup_subsys_id");
    let number = subsystems.and_then(|subsystems| {
        let member = subsystems.iter().find(|member| member.name.is_some_and(|name| name == wanted.as_str()))?;
        u32::try_from(member.value).ok()
    });
    number.ok_or_else(|| Error::Option(format!("this kernel has no cgroup controller `{name}`")))
}

/// Writes the values that pass a filter.
pub(super) fn fill_filters(skeleton: &ContentionSkel<'_>, options: &Options) -> Result<(), Error> {
    let maps = &skeleton.maps;
    let filters = &options.filters;
    let put = |map: &libbpf_rs::MapMut<'_>, key: &[u8]| {
        map.update(key, &[1], MapFlags::ANY).map_err(Error::map("set a filter (4096 values are the most)"))
    };
    filters.pids.iter().try_for_each(|id| put(&maps.filter_tgids, &id.to_ne_bytes()))?;
    filters.tids.iter().try_for_each(|id| put(&maps.filter_tids, &id.to_ne_bytes()))?;
    filters.cpus.iter().try_for_each(|id| put(&maps.filter_cpus, &id.to_ne_bytes()))?;
    for comm in &filters.comms {
        let mut name = [0u8; 16];
        let length = comm.len().min(15);
        name[..length].copy_from_slice(&comm.as_bytes()[..length]);
        put(&maps.filter_comms, &name)?;
    }
    filters.tenants.iter().flatten().try_for_each(|id| put(&maps.filter_tenants, &id.to_ne_bytes()))?;
    let mut table = SlotTable::new(CHOSEN, CHOSEN_WINDOW);
    for &lock in &options.profile.locks {
        let slot = table.claim(lock).ok_or_else(|| Error::Option("--lock: too many locks".to_owned()))?;
        maps.chosen_locks
            .update(&slot.to_ne_bytes(), &lock.to_ne_bytes(), MapFlags::ANY)
            .map_err(Error::map("choose a lock"))?;
    }
    Ok(())
}

/// In how many slots a lock may lie, as in `bpf/basics.bpf.h`.
const CHOSEN_WINDOW: u32 = 8;

/// Opens the ring buffer; its records go into the queue.
pub(super) fn ring_buffer<'obj>(
    skeleton: &ContentionSkel<'obj>,
    queue: &Rc<RefCell<VecDeque<Record>>>,
) -> Result<RingBuffer<'obj>, Error> {
    let queue = Rc::clone(queue);
    let mut builder = RingBufferBuilder::new();
    let take = move |bytes: &[u8]| {
        queue.borrow_mut().extend(Record::parse(bytes));
        0
    };
    builder.add(&skeleton.maps.records, take).map_err(Error::map("open the ring buffer"))?;
    builder.build().map_err(Error::map("open the ring buffer"))
}

/// The programs without which there is nothing to record, in the order of attaching: a begin that is seen must find its
/// end attached. The other programs make names better.
const NEEDED: [&str; 3] = ["contention_end", "sched_waking", "contention_begin"];

/// Attaches the programs.
pub(super) fn attach(skeleton: &ContentionSkel<'_>, waits: bool, notes: &mut Vec<String>) -> Result<Vec<Link>, Error> {
    let order = |name: &str| NEEDED.iter().position(|needed| *needed == name);
    let mut programs: Vec<_> = skeleton.object().progs_mut().collect();
    programs.retain(|program| program.autoload() && (waits || order(&program.name().to_string_lossy()).is_none()));
    programs.sort_by_key(|program| order(&program.name().to_string_lossy()));
    let mut links = Vec::new();
    for program in programs {
        let name = program.name().to_string_lossy().into_owned();
        match program.attach() {
            Ok(link) => links.push(link),
            Err(source) if order(&name).is_some() => {
                let event = program.section().to_string_lossy().into_owned();
                return Err(Error::Attach { event, source });
            }
            Err(source) => {
                notes.push(format!("cannot attach to {name}: {source}; tenants that start later may lack names"))
            }
        }
    }
    Ok(links)
}
