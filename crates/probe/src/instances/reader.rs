//! Reading objects: each kind its fields, and what makes sure that it is one. Paths of files are in `paths.rs`, what belongs to
//! the network in `network.rs`.

mod network;
mod paths;

use super::Instance;
use super::places::{Area, Place};
use super::types::Types;
use crate::kernel_memory::KernelMemory;
use lima_model::escape;
use paths::Paths;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;

/// Kernel addresses of x86-64 begin here, with page tables of five levels (Documentation/arch/x86/x86_64/mm.rst).
const KERNEL: u64 = 0xff00_0000_0000_0000;
/// Here lie the kernel's image and its modules (same file).
const IMAGE: Range<u64> = 0xffff_ffff_8000_0000..0xffff_ffff_ff00_0000;
/// Names of files are no longer (`NAME_MAX`).
const LONGEST: u32 = 255;
/// Namespaces have inode numbers from here on: `PROC_DYNAMIC_FIRST`, and a few below it those that the kernel starts with
/// (`PROC_USER_INIT_INO` and its kin, include/linux/proc_ns.h).
const FIRST_NAMESPACE: u32 = 0xefff_fff0;

/// What stands at the end of a stack (`STACK_END_MAGIC`, include/uapi/linux/magic.h).
const STACK_END: u64 = 0x57ac_6e9d;

/// Reads objects from the kernel's memory.
#[derive(Debug)]
pub struct Reader {
    memory: KernelMemory,
    /// The kernel's types.
    pub types: Types,
    fields: Fields,
    /// What may lie in memory for anything: how large it is, and how it is read.
    general: Vec<(u64, General)>,
    /// File systems that were read: many objects lie in the same one.
    volumes: RefCell<HashMap<u64, Option<Volume>>>,
    /// Directories that were read: many files lie in the same one.
    paths: RefCell<Paths>,
    /// The object that is being read.
    home: Cell<u64>,
    /// How far from one object of the kernel others can lie, bytes.
    reach: u64,
    /// How large a network device's queue is, bytes.
    queue_size: Option<u64>,
}

/// Reads what may be an object that begins at an address and has a lock at the other one.
type General = fn(&Reader, u64, u64) -> Option<Instance>;

/// What may lie in memory for anything, and can be known by itself.
const GENERAL: &[(&str, General)] = &[
    ("super_block", |reader, at, _| reader.super_block(at)),
    ("cgroup", |reader, at, _| reader.cgroup(at)),
    ("net_device", |reader, at, _| reader.network_device(at)),
    ("netdev_queue", Reader::transmit_queue),
    ("Qdisc", |reader, at, _| reader.qdisc(at)),
];

/// Declares where fields lie: `name = "struct" "path"`. A kernel may lack some.
macro_rules! fields {
    ($($name:ident = $composite:literal $path:literal,)*) => {
        /// Where fields lie, bytes behind the start of their struct.
        #[derive(Debug)]
        struct Fields { $($name: Option<u64>,)* }

        impl Fields {
            fn of(types: &Types) -> Self {
                Self { $($name: types.offset($composite, $path),)* }
            }
        }
    };
}

fields! {
    inode_number = "inode" "i_ino",
    inode_volume = "inode" "i_sb",
    inode_host = "inode" "i_data.host",
    inode_links = "inode" "i_nlink",
    inode_names = "inode" "i_dentry.first",
    volume_device = "super_block" "s_dev",
    volume_type = "super_block" "s_type",
    volume_id = "super_block" "s_id",
    volume_root = "super_block" "s_root",
    type_name = "file_system_type" "name",
    dentry_name = "dentry" "d_name.name",
    dentry_length = "dentry" "d_name.len",
    dentry_volume = "dentry" "d_sb",
    dentry_inode = "dentry" "d_inode",
    dentry_parent = "dentry" "d_parent",
    dentry_alias = "dentry" "d_u.d_alias",
    dentry_listed = "dentry" "d_hash.pprev",
    dentry_sequence = "dentry" "d_seq.seqcount.sequence",
    file_inode = "file" "f_inode",
    file_dentry = "file" "f_path.dentry",
    mm_owner = "mm_struct" "owner",
    task_mm = "task_struct" "mm",
    task_pid = "task_struct" "pid",
    task_process = "task_struct" "tgid",
    task_comm = "task_struct" "comm",
    task_leader = "task_struct" "group_leader",
    task_signal = "task_struct" "signal",
    task_node = "task_struct" "thread_node",
    signal_threads = "signal_struct" "thread_head",
    net_number = "net" "ns.inum",
    net_user = "net" "user_ns",
    user_number = "user_namespace" "ns.inum",
    sock_net = "sock" "__sk_common.skc_net.net",
    sock_port = "sock" "__sk_common.skc_num",
    sock_protocol = "sock" "__sk_common.skc_prot",
    protocol_name = "proto" "name",
    device_name = "net_device" "name",
    device_index = "net_device" "ifindex",
    device_net = "net_device" "nd_net.net",
    device_object_name = "net_device" "dev.kobj.name",
    device_queues = "net_device" "_tx",
    device_queue_count = "net_device" "num_tx_queues",
    device_qdisc = "net_device" "qdisc",
    queue_device = "netdev_queue" "dev",
    queue_qdisc = "netdev_queue" "qdisc",
    queue_sleeping = "netdev_queue" "qdisc_sleeping",
    qdisc_queue = "Qdisc" "dev_queue",
    qdisc_kind = "Qdisc" "ops",
    kind_name = "Qdisc_ops" "id",
    cgroup_self = "cgroup" "self.cgroup",
    cgroup_node = "cgroup" "kn",
    node_id = "kernfs_node" "id",
    node_name = "kernfs_node" "name",
}

/// What a file system is known by.
#[derive(Clone, Debug)]
struct Volume {
    filesystem: String,
    device: String,
    id: Option<String>,
}

impl Reader {
    /// Reads by `memory` what `types` says.
    pub fn new(memory: KernelMemory, types: Types) -> Self {
        let memory_of_machine = rustix::system::sysinfo();
        let bytes = memory_of_machine.totalram.saturating_mul(memory_of_machine.mem_unit.into());
        Self {
            fields: Fields::of(&types),
            general: GENERAL.iter().filter_map(|&(name, read)| Some((types.size(name)?, read))).collect(),
            queue_size: types.size("netdev_queue"),
            memory,
            types,
            volumes: RefCell::default(),
            paths: RefCell::default(),
            home: Cell::default(),
            // Between the parts of the memory lie gaps, the largest of them below 4 GiB.
            reach: bytes.saturating_add(4 << 30),
        }
    }

    /// Reads file systems and directories anew from now on: other ones may have come in their places.
    pub fn forget_files(&mut self) {
        self.volumes.get_mut().clear();
        self.paths.get_mut().clear();
    }

    /// Which object of a slab cache it is that begins at an address and has a lock at the other; `None` without certainty.
    pub fn read(&self, place: Place, object: u64, lock: u64, cache: &str) -> Option<Instance> {
        self.home.set(object);
        match place {
            Place::Inode(at) => self.inode(object.checked_add(at)?),
            Place::Dentry => self.dentry(object),
            Place::File => self.file(object),
            Place::Mm => self.mm(object),
            Place::Task => self.task(object),
            Place::Process => self.process(object),
            Place::Netns => self.netns(object),
            Place::Socket => self.socket(object, cache),
            Place::General(size) => {
                let fitting = self.general.iter().filter(|&&(needed, _)| needed <= size);
                fitting.into_iter().find_map(|(_, read)| read(self, object, lock))
            }
            // Memory of devices has such addresses, too.
            Place::Stack if self.memory.is_careful() => self.stack(object),
            Place::Stack => None,
        }
    }

    /// The area of the kernel's memory that stacks are in, by where a variable of the kernel says that it begins.
    pub fn area(&self, variable: u64) -> Option<Area> {
        Some(Area::at(self.memory.number(variable).filter(|&start| start >= KERNEL)?))
    }

    /// The last word of each stack is the same, so that the kernel can see that one was too small
    /// (`set_task_stack_end_magic`).
    fn stack(&self, at: u64) -> Option<Instance> {
        if self.memory.number(at)? != STACK_END {
            return None;
        }
        Some(Instance { kind: "stack", name: format!("kernel stack at {at:#x}"), ..Instance::default() })
    }

    #[cfg(test)]
    pub fn number_at(&self, address: u64) -> Option<u64> {
        self.memory.number(address)
    }

    fn number(&self, object: u64, field: Option<u64>) -> Option<u64> {
        self.memory.number(object.checked_add(field?)?)
    }

    fn small(&self, object: u64, field: Option<u64>) -> Option<u32> {
        self.memory.small(object.checked_add(field?)?)
    }

    /// The address of another object.
    fn pointer(&self, object: u64, field: Option<u64>) -> Option<u64> {
        self.number(object, field).filter(|&address| address >= KERNEL && self.may_follow(address))
    }

    /// Whether an address may be read that may be none. Reading the memory of a device can change what the device does. Where
    /// the kernel does not keep from it, only what is surely no device's is read: the kernel's image, and what is not farther from
    /// the object at hand, which lies in the machine's memory, than that memory is large.
    fn may_follow(&self, address: u64) -> bool {
        self.memory.is_careful() || IMAGE.contains(&address) || address.abs_diff(self.home.get()) <= self.reach
    }

    /// A name that the kernel gave: text without anything else in it.
    fn word(&self, at: u64) -> Option<String> {
        let text = self.memory.text(at)?;
        text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(text)
    }

    fn volume(&self, at: u64) -> Option<Volume> {
        self.volumes.borrow_mut().entry(at).or_insert_with(|| self.read_volume(at)).clone()
    }

    fn read_volume(&self, at: u64) -> Option<Volume> {
        let kind = self.pointer(at, self.fields.volume_type)?;
        let filesystem = self.word(self.pointer(kind, self.fields.type_name)?)?;
        let device = self.small(at, self.fields.volume_device)?;
        // include/linux/kdev_t.h: MINORBITS
        let device = format!("{}:{}", device >> 20, device & 0xf_ffff);
        let id: Option<[u8; 32]> = self.fields.volume_id.and_then(|field| self.memory.read(at + field));
        let id = id.map(|id| escape::c_text(&id)).filter(|id| !id.is_empty());
        Some(Volume { filesystem, device, id })
    }

    /// The page cache that every inode has inside of it points back to the inode (`inode_init_always`).
    fn inode(&self, at: u64) -> Option<Instance> {
        if self.pointer(at, self.fields.inode_host)? != at {
            return None;
        }
        let volume = self.volume(self.pointer(at, self.fields.inode_volume)?)?;
        let number = self.number(at, self.fields.inode_number)?;
        let name = format!("inode {number} of {} {}", volume.filesystem, volume.device);
        Some(Instance { number: Some(number), path: self.path_of_inode(at), ..volume.instance("inode", name) })
    }

    /// A name of as many bytes as the dentry says, in a file system that is one.
    fn dentry(&self, at: u64) -> Option<Instance> {
        let volume = self.volume(self.pointer(at, self.fields.dentry_volume)?)?;
        let text = self.name(at)?;
        let name = format!("dentry \"{text}\" of {} {}", volume.filesystem, volume.device);
        Some(Instance { text: Some(text), path: self.path_of_dentry(at), ..volume.instance("dentry", name) })
    }

    fn name(&self, dentry: u64) -> Option<String> {
        let length = self.small(dentry, self.fields.dentry_length).filter(|length| (1..=LONGEST).contains(length))?;
        let name = self.memory.bytes(self.pointer(dentry, self.fields.dentry_name)?, length as usize)?;
        (!name.contains(&0)).then(|| escape::text(&name))
    }

    /// The open file and its name in the file system lead to the same inode.
    fn file(&self, at: u64) -> Option<Instance> {
        let inode = self.pointer(at, self.fields.file_inode)?;
        let dentry = self.pointer(at, self.fields.file_dentry)?;
        if self.pointer(dentry, self.fields.dentry_inode)? != inode {
            return None;
        }
        let found = self.inode(inode)?;
        // Of several names the one that it was opened by.
        let path = found.path.is_some().then(|| self.path_of_dentry(dentry)).flatten();
        Some(Instance { kind: "file", name: format!("open file, {}", found.name), path, ..found })
    }

    /// The root of a file system says which one it is the root of.
    fn super_block(&self, at: u64) -> Option<Instance> {
        let root = self.pointer(at, self.fields.volume_root)?;
        if self.pointer(root, self.fields.dentry_volume)? != at {
            return None;
        }
        let volume = self.volume(at)?;
        let name = format!("super_block of {} {}", volume.filesystem, volume.device);
        Some(volume.instance("super_block", name))
    }

    /// The task that owns the memory has it.
    fn mm(&self, at: u64) -> Option<Instance> {
        let owner = self.pointer(at, self.fields.mm_owner)?;
        if self.pointer(owner, self.fields.task_mm)? != at {
            return None;
        }
        let (pid, comm) = (self.small(owner, self.fields.task_process)?, self.comm(owner)?);
        let name = format!("memory of process {pid} ({comm})");
        Some(Instance { kind: "mm", name, pid: Some(pid), text: Some(comm), ..Instance::default() })
    }

    /// A task and the first of its process share the process.
    fn task(&self, at: u64) -> Option<Instance> {
        let leader = self.pointer(at, self.fields.task_leader)?;
        let signal = self.pointer(at, self.fields.task_signal)?;
        if self.pointer(leader, self.fields.task_signal)? != signal {
            return None;
        }
        let (pid, comm) = (self.small(at, self.fields.task_pid)?, self.comm(at)?);
        let name = format!("task {pid} ({comm})");
        Some(Instance { kind: "task", name, pid: Some(pid), text: Some(comm), ..Instance::default() })
    }

    /// The first thread in the process's list belongs to it.
    fn process(&self, at: u64) -> Option<Instance> {
        let node = self.pointer(at, self.fields.signal_threads)?;
        let task = node.checked_sub(self.fields.task_node?)?;
        if self.pointer(task, self.fields.task_signal)? != at {
            return None;
        }
        let leader = self.pointer(task, self.fields.task_leader)?;
        let (pid, comm) = (self.small(task, self.fields.task_process)?, self.comm(leader)?);
        let name = format!("process {pid} ({comm})");
        Some(Instance { kind: "process", name, pid: Some(pid), text: Some(comm), ..Instance::default() })
    }

    fn comm(&self, task: u64) -> Option<String> {
        let bytes: [u8; 16] = self.memory.read(task.checked_add(self.fields.task_comm?)?)?;
        (bytes[15] == 0 && bytes[0] != 0).then(|| escape::c_text(&bytes))
    }

    /// A cgroup is the one of its own state.
    fn cgroup(&self, at: u64) -> Option<Instance> {
        if self.pointer(at, self.fields.cgroup_self)? != at {
            return None;
        }
        let node = self.pointer(at, self.fields.cgroup_node)?;
        let id = self.number(node, self.fields.node_id)?;
        // The root has no name.
        let text = self.pointer(node, self.fields.node_name).and_then(|name| self.memory.text(name));
        let shown = text.as_ref().map_or_else(String::new, |text| format!(" ({text})"));
        let name = format!("cgroup {id}{shown}");
        Some(Instance { kind: "cgroup", name, number: Some(id), text, ..Instance::default() })
    }
}

impl Volume {
    fn instance(self, kind: &'static str, name: String) -> Instance {
        let (filesystem, device) = (Some(self.filesystem), Some(self.device));
        Instance { kind, name, filesystem, device, volume: self.id, ..Instance::default() }
    }
}
