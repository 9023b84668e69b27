//! What lies at an offset of a type: locks, pointers, members.

use super::{Member, Type, TypeId, Types, VOID};
use lima_model::LockType;

/// A member in the innermost named struct that declares it. Equal for every element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The innermost *named* struct or union, and so the left side of `TYPE.path`. When a type itself was asked about,
    /// not a member of it: that type, and the path is empty.
    pub declaring: TypeId,
    /// The offset in that, of the first element when it is in an array.
    pub offset: u32,
    /// The struct or union, named or not, that has the member; `void` when the type itself is meant.
    pub(super) parent: TypeId,
    /// Which of its members.
    pub(super) index: u32,
}

/// A lock at an offset of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockAt {
    /// Who declares it: [`Types::path`] spells it.
    pub spot: Spot,
    /// The lock's type, as declared (`spinlock_t`).
    pub of: TypeId,
    /// What it is. A seqlock is found at its beginning and where its spinlock is.
    pub lock_type: LockType,
    /// Where the lock begins in the type that was asked about.
    pub start: u32,
    /// It is a primitive's own lock, such as `rw_semaphore.wait_lock`; the primitive is `spot.declaring`, or embeds it.
    pub inner: bool,
}

impl LockAt {
    /// Whether a function that takes this type of lock can take this one. The functions of `spinlock_t` and
    /// `raw_spinlock_t` are the same ones; a seqlock's writers take its spinlock; a `ww_mutex` begins with a mutex.
    pub fn taken_by(&self, function: LockType) -> bool {
        takes(function, self.lock_type)
    }
}

/// Whether a function that takes one type of lock can take another: see [`LockAt::taken_by`].
pub fn takes(function: LockType, own: LockType) -> bool {
    match (own, function) {
        (LockType::Spinlock | LockType::RawSpinlock | LockType::Seqlock, LockType::Spinlock)
        | (LockType::Spinlock | LockType::RawSpinlock | LockType::Seqlock, LockType::RawSpinlock)
        | (LockType::WwMutex, LockType::Mutex) => true,
        (own, function) => own == function,
    }
}

/// A member at an offset of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberAt {
    /// Who declares it: [`Types::path`] spells it.
    pub spot: Spot,
    /// Its type, as declared.
    pub of: TypeId,
    /// How far the offset lies behind the member's beginning.
    pub rest: u32,
}

/// A place on the way down from a type to what lies at an offset of it.
#[derive(Clone, Copy)]
struct Place {
    spot: Spot,
    /// Offset from the beginning of what is there.
    rest: u32,
    /// The seqlock that it is in.
    seqlock: Option<(TypeId, Spot, u32)>,
    inner: bool,
}

impl Place {
    fn start(id: TypeId, offset: u32) -> Self {
        let spot = Spot { declaring: id, offset: 0, parent: VOID, index: 0 };
        Self { spot, rest: offset, seqlock: None, inner: false }
    }
}

impl Types {
    /// The locks that begin at an offset of a type, down through members, arrays (any element) and unions. A spinlock's
    /// raw spinlock is not listed besides it; a primitive's own lock is, when the offset is its, as `inner`.
    pub fn locks_at(&self, id: TypeId, offset: u32) -> Vec<LockAt> {
        let mut locks = Vec::new();
        self.each_lock_at(id, offset, &mut |lock| locks.push(lock));
        locks
    }

    /// [`locks_at`](Self::locks_at), without a list.
    pub fn each_lock_at(&self, id: TypeId, offset: u32, found: &mut impl FnMut(LockAt)) {
        self.descend(id, Place::start(self.resolve(id), offset), &Self::holds_lock, &mut |id, place| {
            let Some(lock_type) = self.lock_type(id) else { return true };
            if let Some((of, spot, start)) = place.seqlock {
                if place.rest == 0 {
                    let lock = LockAt { spot, of, lock_type: LockType::Seqlock, start, inner: place.inner };
                    found(lock);
                }
                return false;
            }
            let start = offset.wrapping_sub(place.rest);
            if place.rest == 0 {
                found(LockAt { spot: place.spot, of: id, lock_type, start, inner: place.inner });
            }
            match lock_type {
                LockType::Spinlock | LockType::RawSpinlock | LockType::Rwlock => return false,
                // Its spinlock stands for it.
                LockType::Seqlock => place.seqlock = (place.rest > 0).then_some((id, place.spot, start)),
                own if own.is_compound() => {}
                _ => place.inner = true,
            }
            lock_type != LockType::Seqlock || place.seqlock.is_some()
        });
    }

    /// What the pointers point to that begin at an offset of a type; of a union there can be several. Resolved.
    pub fn pointers_at(&self, id: TypeId, offset: u32) -> Vec<TypeId> {
        let mut pointees = Vec::new();
        self.each_pointer_at(id, offset, &mut |_, pointee| pointees.push(pointee));
        pointees
    }

    /// [`pointers_at`](Self::pointers_at) with the members that are these pointers, without a list.
    pub fn each_pointer_at(&self, id: TypeId, offset: u32, found: &mut impl FnMut(MemberAt, TypeId)) {
        self.descend(id, Place::start(self.resolve(id), offset), &Self::holds_pointer, &mut |id, place| {
            if place.rest == 0
                && let Some(pointee) = self.pointee(id)
            {
                found(MemberAt { spot: place.spot, of: id, rest: 0 }, pointee);
            }
            true
        });
    }

    /// The innermost member at an offset of a type: one that begins there when there is one, and of several (in a
    /// union) the first.
    pub fn member_at(&self, id: TypeId, offset: u32) -> Option<MemberAt> {
        let mut best: Option<MemberAt> = None;
        self.descend(id, Place::start(self.resolve(id), offset), &|_, _| true, &mut |id, place| {
            let member = MemberAt { spot: place.spot, of: id, rest: place.rest };
            // On the way down to the same member, the deeper is the better.
            let leaf = !matches!(self.resolved(id), Type::Composite(_) | Type::Array { .. });
            let better = best.is_none_or(|best| {
                let best_leaf = !matches!(self.resolved(best.of), Type::Composite(_) | Type::Array { .. });
                if best_leaf { leaf && best.rest > 0 && place.rest == 0 } else { true }
            });
            if better {
                best = Some(member);
            }
            true
        });
        best.filter(|member| member.spot.parent != VOID)
    }

    /// Who declares the innermost member at an offset, and the path there.
    pub fn member_path(&self, id: TypeId, offset: u32) -> Option<(TypeId, String)> {
        let member = self.member_at(id, offset)?;
        Some((member.spot.declaring, self.path(&member.spot)))
    }

    /// Visits what lies at the place, outside first, and goes down where `visit` says so and `wanted` can be found. How
    /// deep this goes, and how wide, was limited when the types were built.
    fn descend(
        &self,
        id: TypeId,
        mut place: Place,
        wanted: &impl Fn(&Self, TypeId) -> bool,
        visit: &mut impl FnMut(TypeId, &mut Place) -> bool,
    ) {
        if !wanted(self, id) || !visit(id, &mut place) {
            return;
        }
        let id = self.resolve(id);
        match self.get(id) {
            Type::Array { element, count } => {
                let stride = self.bytes(element);
                if let Some(number) = place.rest.checked_div(stride) {
                    if count > 0 && number >= count {
                        return;
                    }
                    place.rest -= number * stride;
                }
                self.descend(element, place, wanted, visit);
            }
            Type::Composite(composite) => {
                if place.spot.parent != VOID && self.is_named(id) {
                    place.spot = Spot { declaring: id, offset: 0, ..place.spot };
                }
                let members = self.part(id).members_of(composite.members);
                self.each_member_at(members, composite.union, place.rest, &mut |index, member| {
                    let offset = member.offset();
                    let spot = Spot {
                        declaring: place.spot.declaring,
                        offset: place.spot.offset + offset,
                        parent: id,
                        index: index as u32,
                    };
                    self.descend(member.of, Place { spot, rest: place.rest - offset, ..place }, wanted, visit);
                });
            }
            _ => {}
        }
    }

    /// The members that cover an offset.
    fn each_member_at(&self, members: &[Member], union: bool, offset: u32, found: &mut dyn FnMut(usize, &Member)) {
        // Of a struct whose members lie in order, only the last few before the offset can cover it.
        let end = match union {
            true => members.len(),
            false => members.partition_point(|member| member.offset() <= offset),
        };
        for (index, member) in members[..end].iter().enumerate().rev() {
            let start = member.offset();
            let bytes = self.bytes(member.of);
            let Some(rest) = offset.checked_sub(start) else { continue };
            let flexible = bytes == 0 && matches!(self.resolved(member.of), Type::Array { count: 0, .. });
            if rest < bytes || rest == 0 || flexible {
                found(index, member);
            }
            if !union && rest > 0 && bytes > 0 && member.bit_size == 0 {
                break;
            }
        }
    }
}
