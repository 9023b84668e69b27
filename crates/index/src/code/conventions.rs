//! Functions that are not called as the C calling convention says.
//!
//! Assembler helpers that are called from inline assembly keep most registers; thunks stand for an indirect call or a
//! return; some functions never come back.

use super::operation::{Register, Registers};
use rustc_hash::FxHashMap;
use std::sync::OnceLock;

/// What a call of a special function does to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// It stands for a return.
    Return,
    /// It stands for a call of, or jump to, the address in a register.
    Indirect(Register),
    /// It changes these registers only.
    Clobbers(Registers),
    /// It never comes back.
    Never,
}

/// The registers that a function called in the ordinary way may change.
pub const CALLER_SAVED: Registers = Registers::of(&[
    Register(0),
    Register(1),
    Register(2),
    Register(4),
    Register(5),
    Register(8),
    Register(9),
    Register(10),
    Register(11),
]);

const RAX: Register = Register(0);
const RDX: Register = Register(1);
const RCX: Register = Register(2);
const RBX: Register = Register(3);
const RDI: Register = Register(5);

/// What a `ret` is replaced by.
const RETURNS: &[&str] = &[
    "__x86_return_thunk",
    "srso_return_thunk",
    "srso_alias_return_thunk",
    "retbleed_return_thunk",
    "its_return_thunk",
];

/// Those that change nothing that the caller could have.
const KEEPS_ALL: &[&str] = &[
    "__fentry__",
    "mcount",
    "__SCT__preempt_schedule",
    "__SCT__preempt_schedule_notrace",
    "preempt_schedule_thunk",
    "preempt_schedule_notrace_thunk",
    "___preempt_schedule",
    "___preempt_schedule_notrace",
    "__sanitizer_cov_trace_pc",
    "srso_alias_untrain_ret",
    "srso_untrain_ret",
    "retbleed_untrain_ret",
    "zen_untrain_ret",
    "entry_untrain_ret",
    "entry_ibpb",
    "write_ibpb",
    "clear_bhb_loop",
];

/// The rest that keeps more than C does. Where kernels differ, what any of them changes.
const KEEPS_SOME: &[(&str, Registers)] = &[
    ("__sw_hweight32", Registers::of(&[RAX])),
    ("__sw_hweight64", Registers::of(&[RAX])),
    ("clear_page_orig", Registers::of(&[RAX, RCX, RDI])),
    ("clear_page_rep", Registers::of(&[RAX, RCX, RDI])),
    ("clear_page_erms", Registers::of(&[RAX, RCX, RDI])),
    ("_paravirt_ident_64", Registers::of(&[RAX])),
    ("native_save_fl", Registers::of(&[RAX])),
    ("native_irq_disable", Registers::of(&[RAX])),
    ("native_irq_enable", Registers::of(&[RAX])),
    ("pv_native_save_fl", Registers::of(&[RAX])),
    ("pv_native_irq_disable", Registers::of(&[RAX])),
    ("pv_native_irq_enable", Registers::of(&[RAX])),
    ("pv_native_read_cr2", Registers::of(&[RAX])),
    ("this_cpu_cmpxchg16b_emu", Registers::of(&[RAX, RDX])),
    ("cmpxchg8b_emu", Registers::of(&[RAX, RDX])),
];

/// Never come back: what objtool lists (`tools/objtool/noreturns.h`), of all kernels.
const NEVER: &[&str] = &[
    "__fortify_panic",
    "__ia32_sys_exit",
    "__ia32_sys_exit_group",
    "__kunit_abort",
    "__module_put_and_kthread_exit",
    "__reiserfs_panic",
    "__stack_chk_fail",
    "__tdx_hypercall_failed",
    "__ubsan_handle_builtin_unreachable",
    "__x64_sys_exit",
    "__x64_sys_exit_group",
    "arch_cpu_idle_dead",
    "bch2_trans_in_restart_error",
    "bch2_trans_restart_error",
    "bch2_trans_unlocked_error",
    "cpu_bringup_and_idle",
    "cpu_startup_entry",
    "do_exit",
    "do_group_exit",
    "do_task_dead",
    "ex_handler_msr_mce",
    "fortify_panic",
    "hlt_play_dead",
    "hv_ghcb_terminate",
    "kthread_complete_and_exit",
    "kthread_exit",
    "kunit_try_catch_throw",
    "lbug_with_loc",
    "machine_real_restart",
    "make_task_dead",
    "mpt_halt_firmware",
    "mwait_play_dead",
    "nmi_panic_self_stop",
    "panic",
    "panic_smp_self_stop",
    "rest_init",
    "rewind_stack_and_make_dead",
    "rewind_stack_do_exit",
    "rust_begin_unwind",
    "rust_helper_BUG",
    "sev_es_terminate",
    "snp_abort",
    "start_kernel",
    "stop_this_cpu",
    "usercopy_abort",
    "vpanic",
    "x86_64_start_kernel",
    "x86_64_start_reservations",
    "xen_cpu_bringup_again",
    "xen_start_kernel",
];

/// The convention of a function of this name; `None` when it is called as C says.
pub fn of(name: &str) -> Option<Convention> {
    static NAMES: OnceLock<FxHashMap<&'static str, Convention>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let all = RETURNS.iter().map(|&name| (name, Convention::Return));
        let keeps_all = KEEPS_ALL.iter().map(|&name| (name, Convention::Clobbers(Registers::default())));
        let keeps_some = KEEPS_SOME.iter().map(|&(name, registers)| (name, Convention::Clobbers(registers)));
        all.chain(keeps_all).chain(keeps_some).chain(NEVER.iter().map(|&name| (name, Convention::Never))).collect()
    });
    if let Some(&convention) = names.get(name) {
        return Some(convention);
    }
    if let Some(register) = indirect_thunk(name) {
        return Some(Convention::Indirect(register));
    }
    // get_user and put_user of each size: the address comes in rax or rcx, where the result goes too.
    if name.ends_with(['1', '2', '4', '8']) {
        if name.starts_with("__get_user_") {
            return Some(Convention::Clobbers(Registers::of(&[RAX, RDX])));
        }
        if name.starts_with("__put_user_") {
            return Some(Convention::Clobbers(Registers::of(&[RCX, RBX])));
        }
    }
    // Paravirtual calls whose callee saves what C would not, but for its result.
    if name.starts_with("__raw_callee_save_") {
        return Some(Convention::Clobbers(Registers::of(&[RAX])));
    }
    None
}

/// The register of `__x86_indirect_thunk_rax` and its kin.
fn indirect_thunk(name: &str) -> Option<Register> {
    let name = name.strip_prefix("__pi_").unwrap_or(name);
    if !name.starts_with("__x86_indirect_") && !name.starts_with("__llvm_") {
        return None;
    }
    let register = ["__x86_indirect_thunk_", "__x86_indirect_call_thunk_", "__x86_indirect_jump_thunk_"]
        .into_iter()
        .chain(["__x86_indirect_its_thunk_", "__llvm_retpoline_", "__llvm_lvi_thunk_"])
        .find_map(|prefix| name.strip_prefix(prefix))?;
    const NAMES: [&str; 16] =
        ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
    NAMES.iter().position(|&other| other == register).map(|number| Register(number as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thunks_name_their_register() {
        assert_eq!(of("__x86_indirect_thunk_rax"), Some(Convention::Indirect(RAX)));
        assert_eq!(of("__x86_indirect_thunk_r11"), Some(Convention::Indirect(Register(11))));
        assert_eq!(of("__x86_indirect_thunk_array"), None);
        assert_eq!(of("mutex_lock"), None);
    }
}
