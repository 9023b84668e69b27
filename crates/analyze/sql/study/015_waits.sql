-- Combined, of one trace: who waited for locks of which class while who held them.
--
-- waiter, waiter_role, waiter_workload   who waited, as in 011_uses.sql
-- holder, holder_role, holder_workload   who held the lock meanwhile; `none` and `unknown` are among them
-- holder_method                          how the holder is known
-- waits                                  how many; a wait is counted once, with who held longest
-- wait_ns, held_ns, free_ns, unknown_ns  the time waited, and its parts: held by the holder, by nobody, by who knows whom
SELECT
  run, waiter, waiter_role, waiter_workload, holder, holder_role, holder_workload, holder_method, phase,
  lock_type, object, method, subsystem,
  CAST(sum(waits) AS BIGINT) AS waits,
  CAST(sum(wait_ns_total) AS BIGINT) AS wait_ns,
  CAST(sum(held_ns_total) AS BIGINT) AS held_ns,
  CAST(sum(free_ns_total) AS BIGINT) AS free_ns,
  CAST(sum(unknown_ns_total) AS BIGINT) AS unknown_ns
FROM (
  SELECT
    r.run,
    COALESCE(w.tenant, 'tenant #' || CAST(t.waiter_tenant AS VARCHAR)) AS waiter,
    COALESCE(w.role, 'other') AS waiter_role,
    w.workload AS waiter_workload,
    COALESCE(h.tenant, 'tenant #' || CAST(t.holder_tenant AS VARCHAR)) AS holder,
    COALESCE(h.role, 'other') AS holder_role,
    h.workload AS holder_workload,
    t.method AS holder_method,
    /*phase*/ 'start' /*end*/ AS phase,
    t.lock_type,
    CASE
      WHEN o.object <> 'unknown' THEN o.object
      WHEN t.slab_cache IS NOT NULL THEN t.slab_cache || COALESCE('+0x' || to_hex(CAST(t.slab_offset AS BIGINT)), '')
      WHEN y.symbol IS NOT NULL THEN y.symbol
      WHEN p.wait_lock AND t.lock_type = 'spinlock' THEN p.object || '.wait_lock'
      WHEN p.object IS NOT NULL THEN p.object
      ELSE 'unknown'
    END AS object,
    CASE
      WHEN o.object <> 'unknown' THEN m.method
      WHEN t.slab_cache IS NOT NULL THEN 'slab'
      WHEN y.symbol IS NOT NULL THEN 'symbol'
      WHEN p.object IS NOT NULL THEN 'caller'
      ELSE 'unknown'
    END AS method,
    COALESCE(o.subsystem, 'unknown') AS subsystem,
    t.waits, t.wait_ns_total, t.held_ns_total, t.free_ns_total, t.unknown_ns_total
  FROM this_run AS r
  CROSS JOIN totals AS t
  LEFT JOIN who AS w ON w.number = t.waiter_tenant
  LEFT JOIN who AS h ON h.number = t.holder_tenant
  LEFT JOIN sites AS p ON p.stack_id = t.stack_id
  LEFT JOIN symbols AS y ON y.address = t.lock
  LEFT JOIN objects AS o ON o.lock = t.lock AND o.life = 0 AND o.stack_id = t.stack_id
  LEFT JOIN object_methods AS m ON m.object = o.object
) AS named
GROUP BY
  run, waiter, waiter_role, waiter_workload, holder, holder_role, holder_workload, holder_method, phase,
  lock_type, object, method, subsystem
