//! What belongs to the network: namespaces, sockets, devices with their queues.

use super::{FIRST_NAMESPACE, Instance, Reader};
use lima_model::escape;

/// Names of network devices, with the end (`IFNAMSIZ`), and of kinds of queueing disciplines.
const NAME: usize = 16;

/// A network device.
#[derive(Debug)]
struct Device {
    name: String,
    /// What it is called among people.
    shown: String,
    index: u64,
    netns: u64,
}

impl Reader {
    fn net_number(&self, net: u64) -> Option<u64> {
        let number = self.small(net, self.fields.net_number).filter(|&number| number >= FIRST_NAMESPACE)?;
        let user = self.pointer(net, self.fields.net_user)?;
        self.small(user, self.fields.user_number).filter(|&number| number >= FIRST_NAMESPACE)?;
        Some(number.into())
    }

    pub(super) fn netns(&self, at: u64) -> Option<Instance> {
        let number = self.net_number(at)?;
        let name = format!("network namespace {number}");
        Some(Instance { kind: "netns", name, number: Some(number), ..Instance::default() })
    }

    /// Caches of sockets have the name of the protocol that the socket names.
    pub(super) fn socket(&self, at: u64, cache: &str) -> Option<Instance> {
        let protocol = self.pointer(at, self.fields.sock_protocol)?;
        let protocol = self.word(protocol.checked_add(self.fields.protocol_name?)?).filter(|name| name == cache)?;
        let netns = self.net_number(self.pointer(at, self.fields.sock_net)?)?;
        let port = self.small(at, self.fields.sock_port)? & 0xffff;
        let shown = if port > 0 { format!(" :{port}") } else { String::new() };
        let name = format!("{protocol} socket{shown} of network namespace {netns}");
        let number = (port > 0).then_some(port.into());
        Some(Instance { kind: "socket", name, number, netns: Some(netns), ..Instance::default() })
    }

    /// The device has the name of its object in the tree of devices (`/sys/class/net`), and lies in a network namespace.
    fn device(&self, at: u64) -> Option<Device> {
        let name: [u8; NAME] = self.memory.read(at.checked_add(self.fields.device_name?)?)?;
        let length = name.iter().position(|&byte| byte == 0).filter(|&length| length > 0)?;
        // As `dev_valid_name` permits.
        if name[..length].iter().any(|&byte| matches!(byte, b'/' | b':') || byte.is_ascii_whitespace()) {
            return None;
        }
        let object_name = self.pointer(at, self.fields.device_object_name)?;
        if self.memory.bytes(object_name, length + 1)? != name[..=length] {
            return None;
        }
        let netns = self.net_number(self.pointer(at, self.fields.device_net)?)?;
        let index = self.small(at, self.fields.device_index).filter(|&index| index > 0)?;
        let name = escape::text(&name[..length]);
        let shown = format!("network device \"{name}\" (ifindex {index}) of network namespace {netns}");
        Some(Device { name, shown, index: index.into(), netns })
    }

    pub(super) fn network_device(&self, at: u64) -> Option<Instance> {
        let device = self.device(at)?;
        let name = device.shown.clone();
        Some(device.instance(name))
    }

    /// The queues of a device are an array; each leads to the device, and that to the array.
    pub(super) fn transmit_queue(&self, at: u64, lock: u64) -> Option<Instance> {
        let owner = self.pointer(at, self.fields.queue_device)?;
        let number = self.queue_number(owner, lock)?;
        if self.pointer(owner, self.fields.device_queues)? != at {
            return None;
        }
        let device = self.device(owner)?;
        let name = format!("transmit queue {number} of {}", device.shown);
        Some(device.instance(name))
    }

    /// Which of a device's queues an address lies in.
    fn queue_number(&self, device: u64, address: u64) -> Option<u64> {
        let size = self.queue_size.filter(|&size| size > 0)?;
        let number = address.checked_sub(self.pointer(device, self.fields.device_queues)?)? / size;
        (number < self.small(device, self.fields.device_queue_count)?.into()).then_some(number)
    }

    /// A queueing discipline leads to a queue, whose own it is, or that of the whole device.
    pub(super) fn qdisc(&self, at: u64) -> Option<Instance> {
        let queue = self.pointer(at, self.fields.qdisc_queue)?;
        let owner = self.pointer(queue, self.fields.queue_device)?;
        self.queue_number(owner, queue)?;
        let fields = &self.fields;
        let is_its = |object, field| self.pointer(object, field) == Some(at);
        if ![fields.queue_qdisc, fields.queue_sleeping].into_iter().any(|field| is_its(queue, field))
            && !is_its(owner, fields.device_qdisc)
        {
            return None;
        }
        let device = self.device(owner)?;
        let kind = self.pointer(at, fields.qdisc_kind)?;
        let kind: [u8; NAME] = self.memory.read(kind.checked_add(fields.kind_name?)?)?;
        let name = format!("queueing discipline {} of {}", escape::c_text(&kind), device.shown);
        Some(device.instance(name))
    }
}

impl Device {
    fn instance(self, name: String) -> Instance {
        let Self { name: text, index, netns, .. } = self;
        Instance {
            kind: "netdev",
            name,
            number: Some(index),
            netns: Some(netns),
            text: Some(text),
            ..Instance::default()
        }
    }
}
