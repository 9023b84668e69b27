//! Lock functions that are handed what the lock is part of, bits, and locks that have locks inside.

use super::each_way;

const CODE: &str = r#"
typedef struct { spinlock_t slock; int owned; } socket_lock_t;
struct sock { long family; socket_lock_t sk_lock; };
struct inet_sock { struct sock sk; long port; };
struct folio { union { struct { unsigned long flags; long index; }; long first; }; };
struct buffer_head { long size; unsigned long b_state; };
struct srcu_struct { struct mutex gp_mutex; long idx; };
struct kvm { long id; struct srcu_struct srcu; };
static struct srcu_struct readers;
__attribute__((noinline)) void lock_sock_nested(struct sock *s, int n) { seen(s); seen(s); seen(s); seen(s); }
__attribute__((noinline)) void __folio_lock(struct folio *f) { seen(f); seen(f); seen(0); }
__attribute__((noinline)) int __srcu_read_lock(struct srcu_struct *s) { seen(s); seen(0); seen(s); return number(); }
__attribute__((noinline)) int out_of_line_wait_on_bit_lock(void *word, int bit, void *action, unsigned mode) { seen(word); seen((void *)(long)bit); return number(); }
void socket(struct inet_sock *s) { lock_sock_nested(&s->sk, 0); seen(0); }
void socket_spinlock(struct inet_sock *s) { _raw_spin_lock((raw_spinlock_t *)&s->sk.sk_lock.slock); seen(0); }
void untyped(void *p) { lock_sock_nested(p, 0); seen(0); }
void page(struct folio *f) { __folio_lock(f); seen(0); }
void section(struct kvm *k) { __srcu_read_lock(&k->srcu); seen(0); }
void section_of_all(void) { __srcu_read_lock(&readers); seen(0); }
void inside(struct kvm *k) { mutex_lock(&k->srcu.gp_mutex); seen(0); }
void inside_of_all(void) { mutex_lock(&readers.gp_mutex); seen(0); }
void known_bit(struct buffer_head *b) { if (out_of_line_wait_on_bit_lock(&b->b_state, 2, 0, 2)) seen(b); }
void other_bit(struct buffer_head *b) { if (out_of_line_wait_on_bit_lock(&b->b_state, 5, 0, 2)) seen(b); }
void no_bit(void *p) { if (out_of_line_wait_on_bit_lock(p, 5, 0, 2)) seen(p); }
"#;

/// The compiler must not see what the lock functions do.
const WAYS: &[(&str, &str)] = &[("gcc", "-O1"), ("clang-19", "-O1")];

#[test]
fn parts_bits_and_locks_that_have_locks() {
    each_way(CODE, WAYS, |answers| {
        let flow = |object: &str| format!("{object} {}", if answers.is_bare() { "flow" } else { "variable" });
        answers.expect("socket", "sock.sk_lock function");
        answers.expect("untyped", "sock.sk_lock function");
        answers.expect("page", "folio.flags.PG_locked function");
        answers.expect("socket_spinlock", &flow("socket_lock_t.slock"));
        answers.expect("section", &flow("kvm.srcu"));
        answers.expect("inside", &flow("srcu_struct.gp_mutex"));
        answers.expect("section_of_all", "readers address");
        answers.expect("known_bit", &flow("buffer_head.b_state.BH_Lock"));
        answers.expect("other_bit", &flow("buffer_head.b_state.bit_5"));
        answers.expect("no_bit", "unknown: lock of the caller");
    });
}
