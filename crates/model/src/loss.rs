//! What a recorder can lose, by cause.
//!
//! Each cause is counted where it happens, kept in the manifest, and shown under every report. A trace is complete
//! when every count is zero.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! losses {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal $means:literal,)*) => {
        /// A cause of loss. The codes below [`Loss::KERNEL`] are counted by the kernel side, in an array of that order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Loss { $($(#[$doc])* $variant = $code,)* }

        impl Loss {
            /// Every cause, in order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The name in the manifest.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// One sentence on what was lost, for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $means,)* }
            }
        }
    };
}

losses! {
    /// No room for a new key of the totals.
    TotalsFull = 0 "totals_full" "waits left out of the totals because the map was full (raise --max-totals)",
    /// The time of the waits counted by `TotalsFull`.
    TotalsFullNs = 1 "totals_full_wait_ns" "nanoseconds of the waits left out of the totals",
    /// No room for a new task.
    TasksFull = 2 "tasks_full" "waits left out of the totals by task because the map was full (raise --max-totals)",
    /// The ring buffer was full when a single wait should have been sent.
    EventsDropped = 3 "events_dropped" "single waits not kept because the buffer was full (raise --buffer or --threshold)",
    /// The ring buffer was full when a new stack should have been sent; sent again at its next use.
    StacksDropped = 4 "stacks_dropped" "stacks sent too late because the buffer was full (raise --buffer)",
    /// The kernel could not walk the stack.
    StackMissing = 5 "stack_missing" "waits without a kernel stack",
    /// More waits inside one another than there are slots.
    NestingTooDeep = 6 "nesting_too_deep" "waits nested more than eight deep",
    /// An end for which no begin was seen, other than those of waits already running at the start.
    EndWithoutBegin = 7 "end_without_begin" "ends of waits whose begin was missed",
    /// A begin whose end never came before the same task began another wait in its place.
    BeginWithoutEnd = 8 "begin_without_end" "begins of waits whose end was missed",
    /// A wait for a lock in an interrupt that came while one of LIMA's programs ran on that CPU: the kernel skips the
    /// program of its end. (Waits for the locks of LIMA's own maps are no waits of the machine's work, and no loss.)
    InsideProbe = 9 "inside_probe" "waits of interrupts that came while a LIMA program ran on that CPU, left out",
    /// No memory for the state of a task.
    TaskStateMissing = 10 "task_state_missing" "waits of tasks for which no state could be kept",
    /// A recalled stack did not agree with the kernel's own walk.
    StackMismatch = 11 "stack_mismatch" "stacks recalled wrongly, found out by checking a sample",
    /// A user stack could not be read.
    UserStackMissing = 12 "user_stack_missing" "waits without the user stack that was asked for",
    /// The ring buffer was full when a notice of a new cgroup, process or slab cache should have been sent.
    NoticesDropped = 13 "notices_dropped" "notices of new cgroups and processes lost: a tenant may lack its name",
    /// No room, in map or buffer, for the time that a second tenant held the lock during a wait.
    ShareLostNs = 14 "share_lost_ns" "nanoseconds of waits whose second holder was left out (raise --max-totals or --buffer)",
    /// A program did not run because it was already running on that CPU.
    Recursion = 20 "recursion" "runs of a program skipped by the kernel because it was running on that CPU already",
    /// A stack named in the totals whose frames never arrived.
    StackUnknown = 21 "stack_unknown" "stacks named in the tables whose frames are missing",
    /// A segment that could not be written.
    WriteFailed = 23 "write_failed" "rows lost because the trace could not be written",
    /// The recorder was killed: the rows after the last segment.
    Cut = 24 "cut" "the recorder did not finish: the last second may be missing",
    /// A segment that could not be read.
    Unreadable = 25 "unreadable_segments" "segments of the trace that could not be read",
    /// No room in the sums of the acquisitions.
    AcquisitionsFull = 32 "acquisitions_full" "acquisitions left out: too many combinations of lock and site (raise --max-totals)",
    /// No room in the table of locks that are held.
    HoldsFull = 33 "holds_full" "holds not measured: too many locks held at once",
    /// No room in the sums when the hold ended.
    HoldsLost = 34 "holds_lost" "holds left out: too many combinations of lock and site (raise --max-totals)",
    /// A lock was acquired whose release had not been seen.
    ReleasesMissed = 35 "releases_missed" "holds left out: their end was missed",
    /// A lock was let go whose acquisition had not been seen.
    AcquisitionsMissed = 36 "acquisitions_missed" "releases of locks whose acquisition was missed",
    /// The stack did not look as expected.
    SiteUnknown = 37 "site_unknown" "acquisitions whose site could not be read",
    /// No room in the table of locks by initialisation.
    LivesFull = 38 "lives_full" "initialised locks without room: they pass for those that were there before",
    /// The ring buffer of initialisations was full.
    InitsDropped = 39 "inits_dropped" "initialisations lost because the buffer was full (raise --buffer)",
    /// No room in the table of locks that are waited for.
    ContestsFull = 40 "contests_full" "waits whose holders were not followed: too many locks are waited for",
    /// No room in the table of the last acquisitions.
    MovesFull = 41 "moves_full" "acquisitions not compared with the last one of their lock: too many locks",
    /// No room in the table of places in the code.
    PlacesFull = 42 "places_full" "acquisitions at places in the code for which there was no room",
    /// A stack could not be walked, or did not show the site.
    CallersUnknown = 43 "callers_unknown" "acquisitions whose stack, or the caller of whose site, could not be read",
    /// No room in the table of locks that were chosen.
    ChosenFull = 44 "chosen_full" "acquisitions of chosen locks for which there was no room: their waits are left out",
    /// No room in the table of the stacks of acquisitions.
    AcquiredStacksFull = 45 "acquired_stacks_full" "acquisitions whose stack has a number alone: too many stacks",
    /// No room in the table of slow paths that are under way.
    SlowPathsFull = 46 "slow_paths_full" "waits not measured: too many waits for sockets and bits at once",
    /// The time for reading the kernel's memory was used up.
    InstancesUnread = 47 "instances_unread" "locks of which it was not read which object they lie in: too many in a time bucket",
    /// More was to be read of processes' files than is read of them.
    UserNamesUnread = 48 "user_names_unread" "places in user stacks without a function because their files were too large or too many to be read",
}

impl Loss {
    /// How many slots the kernel side's array of counters has.
    pub const KERNEL: usize = 16;

    /// The cause with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|loss| loss.name() == name)
    }

    /// The cause with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|&loss| loss as u8 == code)
    }
}

/// Counts by cause. Serialises as an object of all causes, zeros included, so that a reader sees what was watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Losses(pub BTreeMap<String, u64>);

impl Losses {
    /// All causes at zero.
    pub fn none() -> Self {
        Self(Loss::ALL.iter().map(|loss| (loss.name().to_owned(), 0)).collect())
    }

    /// Sets a count.
    pub fn set(&mut self, loss: Loss, count: u64) {
        self.0.insert(loss.name().to_owned(), count);
    }

    /// Adds to a count.
    pub fn add(&mut self, loss: Loss, count: u64) {
        *self.0.entry(loss.name().to_owned()).or_default() += count;
    }

    /// The count of one cause.
    pub fn get(&self, loss: Loss) -> u64 {
        self.0.get(loss.name()).copied().unwrap_or_default()
    }

    /// Whether nothing at all was lost.
    pub fn is_none(&self) -> bool {
        self.0.values().all(|&count| count == 0)
    }

    /// The causes that are not zero, as (name, count, meaning); a name that this version does not know has itself
    /// as its meaning.
    pub fn present(&self) -> impl Iterator<Item = (&str, u64, &str)> {
        self.0.iter().filter(|&(_, &count)| count > 0).map(|(name, &count)| {
            (name.as_str(), count, Loss::from_name(name).map_or(name.as_str(), |loss| loss.meaning()))
        })
    }
}
