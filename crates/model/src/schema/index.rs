//! The tables of an index.

use super::column::{self, Column};
use arrow::datatypes::SchemaRef;

/// A table of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IndexTable {
    /// Locks that are members of structs.
    Locks,
    /// Locks in variables.
    Globals,
    /// Functions.
    Functions,
    /// Calls.
    Calls,
    /// Functions that pointers lead to.
    Pointers,
    /// Places that do something with a lock.
    Sites,
    /// Locks taken while others are held.
    Nesting,
    /// Where the sections of the image and of modules lie.
    Sections,
}

impl IndexTable {
    /// Every table.
    pub const ALL: &'static [Self] = &[
        Self::Locks,
        Self::Globals,
        Self::Functions,
        Self::Calls,
        Self::Pointers,
        Self::Sites,
        Self::Nesting,
        Self::Sections,
    ];

    /// The name of the table, and of its file without `.parquet`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Locks => "locks",
            Self::Globals => "globals",
            Self::Functions => "functions",
            Self::Calls => "calls",
            Self::Pointers => "pointers",
            Self::Sites => "sites",
            Self::Nesting => "nesting",
            Self::Sections => "sections",
        }
    }

    /// What a row is.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Locks => {
                "Locks that are members of structs and unions. A lock has a row for each named struct that it lies in, \
                 at any depth: `inode.i_rwsem` has one for `inode` and one for `ext4_inode_info`, which embeds an inode."
            }
            Self::Globals => {
                "Locks in global, static and per-CPU variables, and in static variables of functions. A variable that \
                 holds several locks has a row for each."
            }
            Self::Functions => "Functions, with what they are to locks.",
            Self::Calls => {
                "Call instructions, and jumps that leave a function (tail calls). Whom an indirect call may call is what \
                 `pointers` has for its member."
            }
            Self::Pointers => {
                "Functions that a member of some struct points to: in variables as the image has them, such as a file \
                 system's `file_operations`, and where code stores a function's address. What is stored at run time \
                 after it was kept elsewhere is not here."
            }
            Self::Sites => {
                "Places that acquire, try, release or initialise a lock, after inlining: one row for each call \
                 instruction that leads to a lock function."
            }
            Self::Nesting => {
                "Edges of the lock order that can be seen within one function: the lock of the inner site is taken on a \
                 path on which that of the outer site is held."
            }
            Self::Sections => {
                "Sections of the kernel image and of modules that are loaded. Modules have no addresses before they are \
                 loaded; those in an index are made up, and only here it says what they mean: an address in a module is \
                 its section and its distance from the section's start."
            }
        }
    }

    /// Its columns, in order.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Locks => LOCKS,
            Self::Globals => GLOBALS,
            Self::Functions => FUNCTIONS,
            Self::Calls => CALLS,
            Self::Pointers => POINTERS,
            Self::Sites => SITES,
            Self::Nesting => NESTING,
            Self::Sections => SECTIONS,
        }
    }

    /// Its schema in Arrow.
    pub fn schema(self) -> SchemaRef {
        column::schema(self.columns())
    }
}

const LOCKS: &[Column] = columns! {
    object: Text = "What the lock is called everywhere: `TYPE.path`, from the innermost named struct that declares it; of a bit \
        with the bit's name at the end (`folio.flags.PG_locked`).",
    lock_type: Text = "`mutex`, `ww_mutex`, `rwsem`, `percpu_rwsem`, `semaphore`, `spinlock`, `raw_spinlock`, `rwlock`, \
        `seqlock`, `rtmutex`, `rwlock_rt`, `local_lock`, `socket_lock`, `srcu` or `bit_lock`.",
    struct: Text = "The struct or union that the row is about; of an anonymous one the typedef's name.",
    path: Text = "Path of the lock from there; `[]` stands for any element of an array.",
    declaring: Text = "The innermost named struct that declares the lock: the left side of `object`.",
    declared_path: Text = "Path of the lock from `declaring`: the right side of `object`.",
    offset: U32 = "Offset of the lock in `struct`, bytes; of an array the first one's.",
    size: U32 = "Size of the lock, bytes; of a bit that of the member that has it.",
    array_count: U32 null = "How many there are, when it lies in an array.",
    struct_size: U32 = "Size of `struct`, bytes.",
    line_mates: ListText = "Members of `struct` on the same cache line (64 bytes) as the lock, when `struct` starts a line.",
    module: Text null = "Module that the type comes from; missing for the kernel image.",
};

const GLOBALS: &[Column] = columns! {
    object: Text = "What the lock is called everywhere: `symbol`, or `symbol.path`.",
    lock_type: Text = "As in `locks`.",
    symbol: Text = "The variable.",
    function: Text null = "The function that the variable is local to.",
    path: Text = "Path of the lock inside the variable; empty when the variable is the lock.",
    address: U64 = "Address of the lock; of a per-CPU one, as the image has it: its offset in a CPU's share.",
    size: U32 = "Size of the lock, bytes.",
    section: Text = "Section that it lies in.",
    per_cpu: Bool = "Whether every CPU has one of its own.",
    variable_type: Text = "Type of the variable as it would be written; empty when it is not known.",
    method: Text = "How the lock is known: `debug` (DWARF), `btf`, `site` (its address is locked somewhere) or `initializer`.",
    module: Text null = "Module that has it; missing for the kernel image.",
};

const FUNCTIONS: &[Column] = columns! {
    address: U64 = "Its address.",
    size: U64 = "Size of the part at `address`, bytes; 0: up to the next one.",
    name: Text = "Its symbol. Not unique: the address is.",
    aliases: ListText = "Its other symbols.",
    cold: ListU64 = "Parts of it that the compiler put elsewhere (`.cold`): address and size of the first, of the second, and \
        so on.",
    role: Text = "What it is to locks: `primitive` (a lock function), `wrapper` (takes one known lock for its callers), \
        `callers_lock` (takes a lock that its caller hands over), `locks` (has sites) or `none`.",
    file: Text null = "Source file, relative to the kernel's source; missing without DWARF.",
    line: U32 null = "Line in it.",
    module: Text null = "Module that has it; missing for the kernel image.",
};

const CALLS: &[Column] = columns! {
    address: U64 = "Address of the call instruction.",
    caller: U64 = "Address of the function that it is in, in `functions`.",
    callee: U64 null = "Address of the function that is called; missing for an indirect call.",
    kind: Text = "`direct`, `tail` or `indirect`.",
    member: Text null = "Of an indirect call, where the address was loaded from: a member in the innermost named struct that \
        declares it (`file_operations.write_iter`); missing when that is not known.",
    file: Text null = "Where it is in the source, innermost inlined function; missing without DWARF.",
    line: U32 null = "Line in it.",
    frame_functions: ListText = "The chain of inlined functions that it is in, innermost first, down to the function itself; \
        empty without DWARF.",
    frame_files: ListText = "The file of each of them.",
    frame_lines: ListU32 = "The line in each of them; in all but the first, where the one before was inlined.",
};

const POINTERS: &[Column] = columns! {
    member: Text = "The member, as in `calls`.",
    function: U64 = "Address of the function, in `functions`.",
    variable: Text null = "The variable that has the pointer; missing when code stores it.",
    module: Text null = "Module that has the variable or the code; missing for the kernel image.",
};

const SITES: &[Column] = columns! {
    address: U64 = "Address of the call instruction.",
    function: Text = "Symbol of the function that it is in, after inlining.",
    function_address: U64 = "Address of that function, in `functions`.",
    file: Text null = "Where the source takes the lock: the innermost inlined function that is no part of the lock itself \
        (`spin_lock()` in `spinlock.h` is one); missing without DWARF.",
    line: U32 null = "Line in it.",
    operation: Text = "`acquire`, `try`, `release` or `init`.",
    primitive: Text = "The lock function that is called.",
    lock_type: Text = "Type of the lock, as in `locks`; where its declaration is not known, what that function locks.",
    mode: Text = "`read` or `write` for locks that have both, else `exclusive`.",
    object: Text = "What is locked: `TYPE.path`, `symbol`, `symbol.path`, or `unknown`.",
    lock_address: U64 null = "Address of the lock, when it is a variable's; in `globals`.",
    alternatives: ListText = "What else it could be: the wider structs that `object` lies in, or what the evidence also allows.",
    method: Text = "How the object was found: `address` (in the code), `variable` (DWARF says where one of the right type is), \
        `flow` (values followed, the evidence of their types agrees), `container` (only one type that embeds the known one has \
        such a lock there), `pointer` (a field that points to the lock: the object is the field), `callers` (all callers hand \
        over the same), `local` (on the stack), `function` (the lock function takes no other: `lock_sock`) or `unknown`.",
    confidence: Text = "`certain`, `strong`, `inferred` or `none`: how much the method is worth.",
    cause: Text null = "Why the object is unknown, when it is.",
    frame_functions: ListText = "As in `calls`.",
    frame_files: ListText = "As in `calls`.",
    frame_lines: ListU32 = "As in `calls`.",
    lock_name: Text null = "Of an init site: the name that the kernel gives the lock.",
    class_key: U64 null = "Of an init site: address of its lock class key.",
    module: Text null = "Module that has it; missing for the kernel image.",
};

const NESTING: &[Column] = columns! {
    function: U64 = "Address of the function, in `functions`.",
    outer: U64 = "Address of the site whose lock is held, in `sites`.",
    inner: U64 = "Address of the site that takes another one, in `sites`.",
    outer_object: Text = "Its object.",
    inner_object: Text = "Its object.",
    through: U64 null = "The function called in between, when the inner site is in one that this function calls.",
};

const SECTIONS: &[Column] = columns! {
    module: Text null = "Module that has it; missing for the kernel image.",
    name: Text = "Its name, `.text`.",
    address: U64 = "Where it lies in this index.",
    size: U64 = "Its size, bytes.",
    executable: Bool = "Whether it is code.",
    per_cpu: Bool = "Whether it is one CPU's share.",
};
