//! Acquisitions and initialisations: from the kernel side's sums and records to rows.

use super::rows::{AcquiredKey, AcquiredRow, InitRow};
use super::{Error, Recorder, stacks};
use crate::acquisitions::Sum;
use lima_model::{Context, LockType, Loss, Losses, Mode, escape};
use std::collections::HashMap;

impl Recorder<'_> {
    /// The rows of a time bucket that has ended.
    pub(super) fn acquired(&mut self, bucket: Option<u32>) -> Vec<(AcquiredKey, AcquiredRow)> {
        let taken = self.acquisitions.as_mut().zip(bucket).map(|(collector, bucket)| collector.take(bucket));
        let taken = taken.unwrap_or_default();
        let mut rows: HashMap<AcquiredKey, AcquiredRow> = HashMap::with_capacity(taken.len());
        for sum in &taken {
            let key = self.acquired_key(sum);
            let weight = self.weights.get(sum.lock_type as usize).map_or(1, |&every| u64::from(every.max(1)));
            let slab = self.slab_in_memory(sum.lock, sum.life);
            self.see((sum.lock, sum.life), slab.0.as_ref(), slab.1, sum.acquisitions);
            let row = rows.entry(key).or_default();
            (row.slab_cache, row.slab_offset) = slab;
            row.add(sum, weight);
            self.stacks.name_variable(sum.lock, &self.symbols);
            self.acquired += sum.acquisitions * weight;
        }
        rows.into_iter().collect()
    }

    fn acquired_key(&mut self, sum: &Sum) -> AcquiredKey {
        AcquiredKey {
            lock: sum.lock,
            life: sum.life,
            stack: self.acquired_at(sum.site, sum.beyond),
            tenant: self.tenant(sum.tenant),
            lock_type: LockType::from_code(sum.lock_type).unwrap_or(LockType::Semaphore),
            mode: Mode::from_code(sum.mode).unwrap_or(Mode::Exclusive),
            context: Context::from_code(sum.context).unwrap_or(Context::Interrupt),
        }
    }

    /// The number of the stack of an acquisition: the whole, or as much of it as is known.
    pub(super) fn acquired_at(&mut self, site: u64, beyond: u64) -> u64 {
        if self.whole_stacks && beyond != 0 {
            return self.stacks.number(beyond);
        }
        let addresses = [site, beyond];
        self.stacks.site(if beyond == 0 { &addresses[..1] } else { &addresses }, &self.symbols)
    }

    /// Takes in the initialisations and stacks since the last call.
    pub(super) fn take_in_births(&mut self) -> Result<(), Error> {
        let Some(collector) = &mut self.acquisitions else { return Ok(()) };
        let records = collector.records()?;
        for stack in records.stacks {
            if stack.stack != 0 {
                self.stacks.add(&stack, &self.symbols, &mut self.processes);
            }
            if stack.word_count > 0 {
                self.collector.learn_from_first(&stack, stacks::is_closed(&stack, &self.symbols));
            }
        }
        self.collector.teach();
        for birth in records.births {
            let row = InitRow {
                time_ns: birth.ns.saturating_sub(self.manifest.clock.start_mono_ns),
                lock: birth.lock,
                life: birth.life,
                lock_type: LockType::from_code(birth.lock_type).unwrap_or(LockType::Semaphore),
                context: Context::from_code(birth.context).unwrap_or(Context::Interrupt),
                stack: self.stacks.site(&[birth.site], &self.symbols),
                tenant: self.tenant(birth.tenant),
                tid: birth.tid,
                name: escape::c_text(&birth.name),
            };
            self.inits.push(row);
        }
        Ok(())
    }

    /// Counts what the programs on lock functions lost.
    pub(super) fn count_missed(&mut self, losses: &mut Losses) {
        let Some(collector) = &self.acquisitions else { return };
        let (causes, not_held) = collector.losses();
        let (own, spilled) = collector.no_losses();
        self.manifest.workings.own_acquisitions = own;
        self.manifest.workings.acquisitions_spilled = spilled;
        causes.into_iter().for_each(|(cause, count)| losses.set(cause, count));
        // A release lacks its acquisition because a program was skipped, or found no room, or because the lock was
        // acquired before the recording began.
        let programs = self.manifest.programs.iter().filter(|program| program.name.starts_with("on_"));
        let skipped: u64 = programs.map(|program| program.recursion_misses).sum();
        let missed = not_held.min(skipped + losses.get(Loss::HoldsFull));
        losses.set(Loss::AcquisitionsMissed, missed);
        self.manifest.edges.held_before = not_held - missed;
    }
}
