-- The waits that the trace keeps one by one, with the thread that held the lock longest at a stretch, the stack on which
-- it slept meanwhile, and the one on which the lock was let go.
SELECT
  begin_ns, wait_ns, spin_ns, sleep_ns, held_ns, other_held_ns, free_ns, unknown_ns, errno,
  object, method, lock, lock_type, mode, context, site, cpu,
  comm, tid, tgid, waiter_tenant, stack_id, user_stack_id,
  holder_comm, holder_tid, holder_tgid, holder_tenant, holder_method, holder_stack_id, holder_site_id,
  holder_cpu, holder_mode, release_stack_id
FROM single_waits
