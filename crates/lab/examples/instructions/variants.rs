//! What is measured: kinds of locks, and what they are traced by.

/// A lock and a way to take it, in the module's words.
pub const KINDS: [(&str, &str); 5] = [
    ("mutex", "lock=static.mutex by=mutex_lock"),
    ("rwsem, read", "lock=static.rwsem by=down_read"),
    ("rwsem, write", "lock=static.rwsem by=down_write"),
    ("spinlock", "lock=static.spinlock by=spin_lock"),
    ("spinlock, irqsave", "lock=static.spinlock by=spin_lock_irqsave"),
];

/// One row.
#[derive(Debug)]
pub struct Variant {
    pub name: &'static str,
    pub kernel: &'static str,
    /// The guest's script around `sh $LIMA_OUT/tell`, with `$LIMA` and, for this program itself, `$SELF`.
    pub script: &'static str,
}

impl Variant {
    /// Whether nothing is traced.
    pub fn alone(&self) -> bool {
        self.name == ALONE
    }
}

const ALONE: &str = "no tracing";

pub const VARIANTS: [Variant; 15] = [
    Variant { name: ALONE, kernel: "6.1", script: "sh $LIMA_OUT/tell" },
    Variant { name: "programs that count, at entries", kernel: "6.1", script: "$SELF bare entry sh $LIMA_OUT/tell" },
    Variant {
        name: "programs that count, acquired at the return",
        kernel: "6.1",
        script: "$SELF bare return sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima record --level acquisitions",
        kernel: "6.1",
        script: "$LIMA record --level acquisitions -o /tmp/all.lima -- sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima, --stats count",
        kernel: "6.1",
        script: "$LIMA record --level acquisitions --stats count -o /tmp/all.lima -- sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima, with stacks",
        kernel: "6.1",
        script: "$LIMA record --level acquisitions --stats count,wait,hold,hold-hist,stack -o /tmp/all.lima -- \
                 sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima, everything",
        kernel: "6.1",
        script: "$LIMA record --level acquisitions --stats all -o /tmp/all.lima -- sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima, another lock is selected",
        kernel: "6.1",
        script: "$LIMA record --level acquisitions --lock rtnl_mutex -o /tmp/all.lima -- sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima, another lock is selected, --stats count",
        kernel: "6.1",
        script: "$LIMA record --level acquisitions --lock rtnl_mutex --stats count -o /tmp/all.lima -- sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima, the place is not selected, --stats count",
        kernel: "6.1",
        script: "$LIMA record --level acquisitions --site do_renameat2 --stats count -o /tmp/all.lima -- \
                 sh $LIMA_OUT/tell",
    },
    Variant { name: ALONE, kernel: "lockdep", script: "echo 0 >/proc/sys/kernel/lock_stat; sh $LIMA_OUT/tell" },
    Variant { name: "lock_stat", kernel: "lockdep", script: "echo 1 >/proc/sys/kernel/lock_stat; sh $LIMA_OUT/tell" },
    Variant {
        name: "perf lock record",
        kernel: "lockdep",
        script: "echo 0 >/proc/sys/kernel/lock_stat; perf lock record -q -o /tmp/perf.data -- sh $LIMA_OUT/tell",
    },
    Variant {
        name: "programs that count, at entries",
        kernel: "lockdep",
        script: "echo 0 >/proc/sys/kernel/lock_stat; $SELF bare entry sh $LIMA_OUT/tell",
    },
    Variant {
        name: "lima record --level acquisitions",
        kernel: "lockdep",
        script: "echo 0 >/proc/sys/kernel/lock_stat; \
                 $LIMA record --level acquisitions -o /tmp/all.lima -- sh $LIMA_OUT/tell",
    },
];
