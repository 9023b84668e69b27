//! From numbers of the kernel side to rows with names: tenants, stacks, slab caches, words.

use super::rows::{EventRow, TaskRow, TotalsKey, TotalsRow};
use super::{Recorder, sums};
use crate::contention::{Taken, codes, types};
use lima_model::{Context, LockType, Method, Mode, escape};
use std::collections::HashMap;
use std::sync::Arc;

impl Recorder<'_> {
    pub(super) fn tenant(&mut self, kernel: u64) -> u32 {
        self.tenants.number(kernel, || self.collector.comm(kernel))
    }

    fn slab(&mut self, cache: u64, offset: u32) -> (Option<Arc<str>>, Option<u32>) {
        if cache == 0 {
            return (None, None);
        }
        let name = match self.slab_caches.get(&cache) {
            Some(name) => name.clone(),
            None => {
                let name: Option<Arc<str>> = self.collector.slab_cache(cache).map(Into::into);
                self.slab_caches.insert(cache, name.clone());
                name
            }
        };
        let offset = name.is_some().then_some(offset).filter(|&offset| offset != codes::NO_OFFSET);
        (name, offset)
    }

    /// The same where no function of the kernel tells programs: as its memory has it now.
    pub(super) fn slab_in_memory(&mut self, lock: u64, life: u32) -> (Option<Arc<str>>, Option<u32>) {
        let Some(reader) = &mut self.slabs else { return (None, None) };
        let place = self.slab_places.entry((lock, life)).or_insert_with(|| reader.place(lock));
        place.as_ref().map_or((None, None), |place| (Some(Arc::clone(&place.cache)), Some(place.offset)))
    }

    /// Takes note of a lock: at the end of the time bucket it is read which object it lies in.
    pub(super) fn see(&mut self, lock: (u64, u32), cache: Option<&Arc<str>>, offset: Option<u32>, uses: u64) {
        let Some(instances) = &mut self.instances else { return };
        match (cache, offset) {
            (Some(cache), Some(offset)) => instances.see(lock, cache, offset, uses),
            _ => instances.see_elsewhere(lock, uses),
        }
    }

    pub(super) fn totals(&mut self, taken: &Taken) -> Vec<(TotalsKey, TotalsRow)> {
        let mut rows: HashMap<TotalsKey, TotalsRow> = HashMap::with_capacity(taken.totals.len());
        for (key, totals) in &taken.totals {
            let row_key = self.totals_key(key);
            let (slab_cache, slab_offset) = match totals.slab {
                0 => self.slab_in_memory(key.lock, 0),
                _ => self.slab(totals.slab, totals.slab_offset),
            };
            self.see((key.lock, 0), slab_cache.as_ref(), slab_offset, totals.waits);
            self.stacks.name_variable(key.lock, &self.symbols);
            let row = rows.entry(row_key).or_default();
            if slab_cache.is_some() {
                (row.slab_cache, row.slab_offset) = (slab_cache, slab_offset);
            }
            row.sums.add(totals);
        }
        rows.into_iter().collect()
    }

    fn totals_key(&mut self, key: &types::totals_key) -> TotalsKey {
        TotalsKey {
            lock: key.lock,
            stack: self.stacks.number(key.stack),
            user_stack: self.stacks.number(key.user_stack),
            waiter_tenant: self.tenant(key.waiter_tenant),
            holder_tenant: self.tenant(key.holder_tenant),
            lock_type: LockType::from_code(key.lock_type).unwrap_or(LockType::Semaphore),
            mode: Mode::from_code(key.mode).unwrap_or(Mode::Exclusive),
            context: self.context(key.context, key.stack),
            method: Method::from_code(key.method).unwrap_or(Method::Unknown),
        }
    }

    /// The kernel side knows whether a wait was on a task's stack; the frames say which interrupt it was.
    fn context(&self, code: u8, stack: u64) -> Context {
        let by_stack = self.stacks.interrupt(stack);
        match (Context::from_code(code), by_stack) {
            // ksoftirqd is a task that runs soft interrupts.
            (Some(Context::Task), Context::Softirq) => Context::Softirq,
            (Some(Context::Task), _) => Context::Task,
            _ => by_stack,
        }
    }

    pub(super) fn tasks(&mut self, taken: &Taken) -> Vec<TaskRow> {
        let mut rows: HashMap<(u32, LockType, u32), TaskRow> = HashMap::with_capacity(taken.tasks.len());
        for (key, totals) in &taken.tasks {
            let lock_type = LockType::from_code(key.lock_type).unwrap_or(LockType::Semaphore);
            let tenant = self.tenant(totals.tenant);
            let row = rows.entry((key.tid, lock_type, tenant)).or_insert_with(|| TaskRow {
                tid: key.tid,
                tgid: totals.tgid,
                comm: escape::c_text(&totals.comm),
                tenant,
                lock_type,
                waits: 0,
                wait_ns: 0,
                max_ns: 0,
                spin_ns: 0,
            });
            row.waits += totals.waits;
            row.wait_ns += totals.wait_ns;
            row.max_ns = row.max_ns.max(totals.max_ns);
            row.spin_ns += totals.spin_ns;
        }
        rows.into_values().collect()
    }

    pub(super) fn event(&mut self, event: &types::event) -> EventRow {
        let (slab_cache, slab_offset) = match event.slab {
            0 => self.slab_in_memory(event.lock, 0),
            _ => self.slab(event.slab, event.slab_offset),
        };
        let holder = &event.holder;
        // The holder may have ended since.
        let named = holder.held_ns > 0 && holder.tid > 0;
        let (kernel, method) = sums::holder(event);
        EventRow {
            begin_ns: (event.end_ns - event.wait_ns).saturating_sub(self.manifest.clock.start_mono_ns),
            wait_ns: event.wait_ns,
            spin_ns: event.spin_ns,
            held_ns: holder.held_ns,
            free_ns: event.free_ns,
            other_held_ns: event.other_held_ns,
            unknown_ns: event.unknown_ns,
            result: event.result,
            lock: event.lock,
            lock_type: LockType::from_code(event.lock_type).unwrap_or(LockType::Semaphore),
            mode: Mode::from_code(event.mode).unwrap_or(Mode::Exclusive),
            context: self.context(event.context, event.stack),
            cpu: event.cpu,
            tid: event.tid,
            tgid: event.tgid,
            comm: escape::c_text(&event.comm),
            waiter_tenant: self.tenant(event.waiter_tenant),
            stack: self.stacks.number(event.stack),
            user_stack: self.stacks.number(event.user_stack),
            slab_cache,
            slab_offset,
            holder: named.then(|| (holder.tid, holder.tgid, escape::c_text(&holder.comm))),
            holder_tenant: self.tenant(kernel),
            holder_stack: self.stacks.number(event.holder_stack),
            holder_site: self.acquired_at(holder.site, holder.beyond),
            holder_cpu: (holder.site != 0).then_some(holder.cpu),
            holder_mode: Mode::from_code(holder.mode).filter(|_| holder.site != 0),
            release_stack: self.stacks.number(event.release_stack),
            method: Method::from_code(method).unwrap_or(Method::Unknown),
        }
    }
}
