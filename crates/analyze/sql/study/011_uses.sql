-- Combined, of one trace: which tenant acquired which lock how often, in which phase. It is not kept: every other table
-- on acquisitions is made from it, trace by trace.
--
-- run            the run
-- tenant         the tenant, by its name in the trace; of a helper the tenant that it helps
-- role           tenant, helper (a process of the platform that works for the tenant), kernel, unknown or other
-- workload       what the tenant ran; missing for all but tenants and helpers
-- phase          cold, warm, or another part of the recording
-- lock, life     the lock: its address, and which lock at that address it is
-- found          the kernel object that it lies in, where that was read; else empty
-- lock_type      mutex, rwsem, spinlock ...
-- object         what it protects, found by `method`; `subsystem`: the part of the kernel that the object belongs to
-- acquisitions, failed, waits, holds   counts
-- wait_ns, hold_ns                     nanoseconds
SELECT
  run, tenant, role, workload, phase, lock, life, found, lock_type, object, method, subsystem,
  CAST(sum(acquisitions) AS BIGINT) AS acquisitions,
  CAST(sum(failed) AS BIGINT) AS failed,
  CAST(sum(waits) AS BIGINT) AS waits,
  CAST(sum(wait_ns) AS BIGINT) AS wait_ns,
  CAST(sum(holds) AS BIGINT) AS holds,
  CAST(sum(hold_ns) AS BIGINT) AS hold_ns
FROM (
  SELECT
    r.run,
    COALESCE(w.tenant, 'tenant #' || CAST(s.tenant AS VARCHAR)) AS tenant,
    COALESCE(w.role, 'other') AS role,
    w.workload, s.phase, s.lock, s.life,
    COALESCE(i.name, '') AS found,
    s.lock_type,
    -- As in acquisitions.sql: what it was resolved to, else the best that the trace itself knows.
    CASE
      WHEN o.object <> 'unknown' THEN o.object
      WHEN s.slab_cache IS NOT NULL THEN s.slab_cache || COALESCE('+0x' || to_hex(CAST(s.slab_offset AS BIGINT)), '')
      WHEN y.symbol IS NOT NULL THEN y.symbol
      WHEN p.wait_lock AND s.lock_type = 'spinlock' THEN p.object || '.wait_lock'
      WHEN p.object IS NOT NULL THEN p.object
      ELSE 'unknown'
    END AS object,
    CASE
      WHEN o.object <> 'unknown' THEN m.method
      WHEN s.slab_cache IS NOT NULL THEN 'slab'
      WHEN y.symbol IS NOT NULL THEN 'symbol'
      WHEN p.object IS NOT NULL THEN 'caller'
      ELSE 'unknown'
    END AS method,
    COALESCE(o.subsystem, 'unknown') AS subsystem,
    s.acquisitions, s.failed, s.waits, s.wait_ns, s.holds, s.hold_ns
  FROM this_run AS r
  CROSS JOIN (
    -- First as few rows as can be: what follows is done for each of them.
    SELECT
      tenant, phase, lock, life, lock_type, stack_id, slab_cache, slab_offset, time_ns,
      sum(acquisitions) AS acquisitions,
      sum(failed) AS failed,
      sum(waits) AS waits,
      sum(wait_ns_total) AS wait_ns,
      sum(holds) AS holds,
      sum(hold_ns_total) AS hold_ns
    FROM (
      SELECT
        t.tenant,
        /*phase*/ 'start' /*end*/ AS phase,
        t.lock, t.life, t.lock_type, t.stack_id, t.slab_cache, t.slab_offset,
        -- Only where the lock lay in several objects, one after the other, does it matter when it was acquired.
        CASE WHEN c.lock IS NOT NULL THEN t.time_ns END AS time_ns,
        t.acquisitions, t.failed, t.waits, t.wait_ns_total, t.holds, t.hold_ns_total
      -- The many rows stand at the right: of what is at the left an engine may make a table in memory.
      FROM (SELECT lock, life FROM spans GROUP BY lock, life HAVING count(*) > 1) AS c
      RIGHT JOIN acquisitions AS t ON t.lock = c.lock AND t.life = c.life
    ) AS rows_of_phases
    GROUP BY tenant, phase, lock, life, lock_type, stack_id, slab_cache, slab_offset, time_ns
  ) AS s
  LEFT JOIN who AS w ON w.number = s.tenant
  LEFT JOIN sites AS p ON p.stack_id = s.stack_id
  LEFT JOIN symbols AS y ON y.address = s.lock
  LEFT JOIN objects AS o ON o.lock = s.lock AND o.life = s.life AND o.stack_id = s.stack_id
  LEFT JOIN object_methods AS m ON m.object = o.object
  LEFT JOIN spans AS i ON i.lock = s.lock AND i.life = s.life
    AND (s.time_ns IS NULL OR (s.time_ns >= i.begin_ns AND (i.end_ns IS NULL OR s.time_ns < i.end_ns)))
) AS named
GROUP BY run, tenant, role, workload, phase, lock, life, found, lock_type, object, method, subsystem
