//! Which types are locks, and which members of others.

use super::{Member, TypeId, Types};
use lima_model::LockType;
use lima_model::primitive::{BITS, Part};

/// The lock type that a typedef or a struct of this name is. The typedef's name goes before the struct's: `rwlock_t` and
/// `seqlock_t` are anonymous structs, and `spinlock_t` was one.
pub fn lock_named(name: &str) -> Option<LockType> {
    Some(match name {
        "spinlock_t" | "spinlock" => LockType::Spinlock,
        "raw_spinlock_t" | "raw_spinlock" => LockType::RawSpinlock,
        "rwlock_t" => LockType::Rwlock,
        "seqlock_t" => LockType::Seqlock,
        "mutex" => LockType::Mutex,
        "ww_mutex" => LockType::WwMutex,
        "rw_semaphore" => LockType::Rwsem,
        "percpu_rw_semaphore" => LockType::PercpuRwsem,
        "semaphore" => LockType::Semaphore,
        "rt_mutex" => LockType::Rtmutex,
        "rwbase_rt" => LockType::RwlockRt,
        "local_lock_t" | "local_trylock_t" => LockType::LocalLock,
        "socket_lock_t" => LockType::SocketLock,
        "srcu_struct" => LockType::Srcu,
        _ => return None,
    })
}

/// A bit that is a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitLock<'a> {
    /// The struct that has it by its first name: a page is a folio.
    pub declaring: TypeId,
    /// The member that has the bit, and the bit's name.
    pub names: (&'static str, &'static str),
    /// The member, of the struct that was asked about.
    pub member: &'a Member,
    /// Its offset there.
    pub offset: u32,
}

impl BitLock<'_> {
    /// The path of the lock in the struct that has it.
    pub fn path(&self) -> String {
        format!("{}.{}", self.names.0, self.names.1)
    }
}

impl Types {
    /// The struct and the path in it of what a lock function takes; `None` where the types have no such thing.
    pub fn lock_part(&self, part: &Part) -> Option<(TypeId, String)> {
        let (declaring, member) = self.first_of(part)?;
        let bit = part.bit.map(|bit| format!(".{bit}")).unwrap_or_default();
        Some((declaring, format!("{member}{bit}")))
    }

    fn first_of(&self, part: &Part) -> Option<(TypeId, &'static str)> {
        part.members.iter().find_map(|&(name, member)| {
            let mut named = self.composites_named(name);
            named.find(|&id| self.member_named(id, member).is_some()).map(|id| (id, member))
        })
    }

    /// The bit of a struct or union that is a lock.
    pub fn bit_lock(&self, id: TypeId) -> Option<BitLock<'_>> {
        let name = self.name(id);
        BITS.iter().find_map(|(part, _)| {
            let &(_, member) = part.members.iter().find(|(owner, _)| *owner == name)?;
            let (offset, found) = self.member_named(id, member)?;
            let (declaring, first) = self.first_of(part)?;
            Some(BitLock { declaring, names: (first, part.bit?), member: found, offset })
        })
    }

    /// The lock that a bit of a member is, when it is a known one: who declares it, and the path.
    pub fn bit_lock_of(&self, declaring: TypeId, path: &str, bit: u64) -> Option<(TypeId, String)> {
        let name = self.name(declaring);
        let (part, _) = BITS.iter().find(|(part, number)| *number == bit && part.members.contains(&(name, path)))?;
        self.lock_part(part)
    }

    /// Whether a member without a name has another one inside, at any depth.
    pub fn has(&self, unnamed: &Member, other: &Member) -> bool {
        let inside = || self.members(unnamed.of).iter();
        self.text(unnamed.name).is_empty()
            && inside().any(|member| std::ptr::eq(member, other) || self.has(member, other))
    }

    /// A member of a struct or union by its name, also inside of members without a name, with its offset.
    fn member_named(&self, id: TypeId, name: &str) -> Option<(u32, &Member)> {
        self.members(id).iter().find_map(|member| match self.text(member.name) {
            "" => {
                let (offset, found) = self.member_named(member.of, name)?;
                Some((member.offset().checked_add(offset)?, found))
            }
            own => (own == name).then(|| (member.offset(), member)),
        })
    }
}
