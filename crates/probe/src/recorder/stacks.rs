//! Stacks: from the kernel side's numbers to those of the trace, and the addresses in them to symbols.

use crate::contention::types::stack_record;
use crate::symbols::KernelSymbols;
use lima_model::Context;
use std::collections::{HashMap, HashSet};

use super::processes::Processes;
use super::rows::{FrameRow, StackRow};

/// What is known of a stack.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Its number in the trace.
    number: u64,
    /// Which interrupt the stack says it is in.
    context: Context,
    has_frames: bool,
}

/// All stacks of a recording.
#[derive(Debug, Default)]
pub struct Stacks {
    by_kernel: HashMap<u64, Known>,
    /// Stacks by their frames, as an interrupted task's frames do not make another stack.
    by_frames: HashMap<(u32, Vec<u64>), u64>,
    named: HashSet<(u32, u64)>,
    last: u64,
    stacks: Vec<StackRow>,
    frames: Vec<FrameRow>,
}

impl Stacks {
    /// The number of a stack in the trace; 0 stays 0, which means missing.
    pub fn number(&mut self, kernel: u64) -> u64 {
        if kernel == 0 {
            return 0;
        }
        if let Some(known) = self.by_kernel.get(&kernel) {
            return known.number;
        }
        self.last += 1;
        let known = Known { number: self.last, context: Context::Interrupt, has_frames: false };
        self.by_kernel.insert(kernel, known);
        self.last
    }

    /// Which interrupt a stack says it is in.
    pub fn interrupt(&self, kernel: u64) -> Context {
        self.by_kernel.get(&kernel).map_or(Context::Interrupt, |known| known.context)
    }

    /// How many stacks have a number but no frames.
    pub fn without_frames(&self) -> u64 {
        self.by_kernel.values().filter(|known| !known.has_frames).count() as u64
    }

    /// Takes in a stack. Gives how many addresses at its start are the tracing machinery.
    pub fn add(&mut self, record: &stack_record, symbols: &KernelSymbols, processes: &mut Processes) -> usize {
        let count = (record.count as usize).min(record.addresses.len());
        let mut addresses = &record.addresses[..count];
        let mut skip = 0;
        let mut context = Context::Task;
        if record.tgid == 0 {
            let name = |address: &u64| symbols.function(*address).map_or("", |symbol| symbol.name);
            skip = addresses.iter().take_while(|address| is_machinery(name(address))).count();
            addresses = &addresses[skip..];
            let (found, length) = interrupt(addresses.iter().map(name));
            context = found;
            addresses = &addresses[..length];
        } else {
            // A chain of frames that ends with nothing ends one earlier.
            let length = addresses.iter().rposition(|&address| address != 0).map_or(0, |last| last + 1);
            addresses = &addresses[..length];
        }
        if self.by_kernel.get(&record.stack).is_some_and(|known| known.has_frames) {
            return skip;
        }
        // 127 frames are the most that the kernel walks.
        let truncated = count >= 127;
        // Where lock functions are traced, what calls the programs stands between them and their callers, too.
        let between = |address: &u64| symbols.function(*address).is_some_and(|symbol| is_trampoline(symbol.name));
        let kept: Vec<u64>;
        if record.tgid == 0 && addresses.iter().any(between) {
            kept = addresses.iter().copied().filter(|address| !between(address)).collect();
            addresses = &kept;
        }
        self.insert(record, addresses, context, truncated);
        for (depth, &address) in addresses.iter().enumerate() {
            if self.named.insert((record.tgid, address)) {
                self.frames.push(if record.tgid == 0 {
                    kernel_frame(symbols, address)
                } else {
                    processes.frame(record.tgid, address, depth > 0)
                });
            }
        }
        skip
    }

    fn insert(&mut self, record: &stack_record, addresses: &[u64], context: Context, truncated: bool) {
        let key = (record.tgid, addresses.to_vec());
        let given = self.by_kernel.get(&record.stack).map(|known| known.number);
        // A number already in the tables stays; frames seen before under another number are then stored twice.
        if given.is_none()
            && let Some(&number) = self.by_frames.get(&key)
        {
            self.by_kernel.insert(record.stack, Known { number, context, has_frames: true });
            return;
        }
        let number = given.unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        self.by_kernel.insert(record.stack, Known { number, context, has_frames: true });
        self.stacks.push(StackRow { number, tgid: record.tgid, addresses: addresses.to_vec(), truncated });
        self.by_frames.insert(key, number);
    }

    /// The number of the stack of which only these innermost addresses are known; 0 when not even the first is.
    pub fn site(&mut self, addresses: &[u64], symbols: &KernelSymbols) -> u64 {
        if addresses.first().is_none_or(|&first| first == 0) {
            return 0;
        }
        let key = (0, addresses.to_vec());
        if let Some(&number) = self.by_frames.get(&key) {
            return number;
        }
        self.last += 1;
        self.stacks.push(StackRow { number: self.last, tgid: 0, addresses: addresses.to_vec(), truncated: true });
        for &address in addresses {
            if self.named.insert((0, address)) {
                self.frames.push(kernel_frame(symbols, address));
            }
        }
        self.by_frames.insert(key, self.last);
        self.last
    }

    /// Names a variable that a lock lies in, where the kernel tells.
    pub fn name_variable(&mut self, lock: u64, symbols: &KernelSymbols) {
        if self.named.insert((0, lock))
            && let Some(symbol) = symbols.variable(lock)
        {
            self.frames.push(FrameRow {
                tgid: 0,
                address: lock,
                symbol: Some(symbol.name.to_owned()),
                offset: symbol.offset,
                module: symbol.module.map(str::to_owned),
                ..FrameRow::default()
            });
        }
    }

    /// The rows that are new since the last call.
    pub fn take(&mut self) -> (Vec<StackRow>, Vec<FrameRow>) {
        (std::mem::take(&mut self.stacks), std::mem::take(&mut self.frames))
    }
}

fn kernel_frame(symbols: &KernelSymbols, address: u64) -> FrameRow {
    let symbol = symbols.function(address);
    FrameRow {
        tgid: 0,
        address,
        symbol: symbol.map(|symbol| symbol.name.to_owned()),
        offset: symbol.map_or(0, |symbol| symbol.offset),
        module: symbol.and_then(|symbol| symbol.module).map(str::to_owned),
        ..FrameRow::default()
    }
}

/// Whether every stack with this one's last address ends there: it is the entry from a system call or the first function
/// of a thread, and not that from an interrupt or a fault (`asm_exc_page_fault`), which can come upon the kernel as well.
pub fn is_closed(record: &stack_record, symbols: &KernelSymbols) -> bool {
    let last = record.addresses[..(record.count as usize).min(record.addresses.len())].last();
    let function = last.and_then(|&address| symbols.function(address));
    function.is_some_and(|function| !function.name.starts_with("asm_"))
}

/// What the kernel calls programs on functions through.
fn is_trampoline(function: &str) -> bool {
    function.starts_with("bpf_trampoline")
}

/// LIMA's own program and what the kernel calls it through.
fn is_machinery(function: &str) -> bool {
    ["bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_", "bpf_get_stack", "__bpf_get_stack"]
        .iter()
        .any(|start| function.starts_with(start))
        || is_trampoline(function)
}

/// Which interrupt a stack is in, by its innermost interrupt entry, and how many of its frames are that interrupt's:
/// what was interrupted is left off.
fn interrupt<'a>(functions: impl Iterator<Item = &'a str>) -> (Context, usize) {
    let mut context = None;
    let mut length = 0;
    for function in functions {
        length += 1;
        match function {
            "handle_softirqs" | "__do_softirq" | "__softirqentry_text_start" => {
                context.get_or_insert(Context::Softirq);
            }
            "exc_nmi" | "asm_exc_nmi" | "default_do_nmi" => {
                context.get_or_insert(Context::Nmi);
            }
            name if is_hard_interrupt(name) => {
                context.get_or_insert(Context::Hardirq);
            }
            _ => {}
        }
        if context.is_some() && (function.starts_with("asm_") || function == "end_repeat_nmi") {
            return (context.unwrap_or(Context::Interrupt), length);
        }
    }
    (context.unwrap_or(Context::Interrupt), length)
}

fn is_hard_interrupt(function: &str) -> bool {
    ["__sysvec_", "sysvec_", "asm_sysvec_"].iter().any(|start| function.starts_with(start))
        || matches!(function, "common_interrupt" | "__common_interrupt" | "asm_common_interrupt" | "handle_edge_irq")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_interrupt_counts() {
        let softirq = [
            "_raw_spin_lock",
            "net_rx_action",
            "handle_softirqs",
            "irq_exit_rcu",
            "sysvec_apic_timer_interrupt",
            "asm_sysvec_apic_timer_interrupt",
            "do_syscall_64",
        ];
        assert_eq!(interrupt(softirq.into_iter()), (Context::Softirq, 6));
        let hardirq = [
            "_raw_spin_lock",
            "hrtimer_interrupt",
            "__sysvec_apic_timer_interrupt",
            "sysvec_apic_timer_interrupt",
            "asm_sysvec_apic_timer_interrupt",
            "handle_softirqs",
        ];
        assert_eq!(interrupt(hardirq.into_iter()), (Context::Hardirq, 5));
        assert_eq!(interrupt(["mutex_lock", "do_syscall_64"].into_iter()), (Context::Interrupt, 2));
    }

    #[test]
    fn a_softirq_run_by_a_task_keeps_the_tasks_frames() {
        let stack = ["_raw_spin_lock", "handle_softirqs", "do_softirq", "__local_bh_enable_ip", "tcp_sendmsg"];
        assert_eq!(interrupt(stack.into_iter()), (Context::Softirq, 5));
    }
}
