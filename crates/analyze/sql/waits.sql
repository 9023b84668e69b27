-- Every row of the totals with its numbers turned into words: what was waited for (`object`, found by `method`),
-- where (`site`), by whom and because of whom (`holder_method` says how that is known). See README.md for the marks.
SELECT
  t.lock,
  t.lock_type,
  t.mode,
  t.context,
  t.stack_id,
  t.user_stack_id,
  -- What it was resolved to; else the best that the trace itself knows, the strongest evidence first.
  CASE
    WHEN o.object <> 'unknown' THEN o.object
    WHEN t.slab_cache IS NOT NULL THEN t.slab_cache || COALESCE('+0x' || to_hex(CAST(t.slab_offset AS BIGINT)), '')
    WHEN y.symbol IS NOT NULL THEN y.symbol
    -- A spinlock taken inside mutex_lock() and its kin guards the waiting list of that lock, not what the lock guards.
    WHEN s.wait_lock AND t.lock_type = 'spinlock' THEN s.object || '.wait_lock'
    WHEN s.object IS NOT NULL THEN s.object
    ELSE 'unknown'
  END AS object,
  CASE
    WHEN o.object <> 'unknown' THEN m.method
    WHEN t.slab_cache IS NOT NULL THEN 'slab'
    WHEN y.symbol IS NOT NULL THEN 'symbol'
    WHEN s.object IS NOT NULL THEN 'caller'
    ELSE 'unknown'
  END AS method,
  -- Which one of these objects: as it was read, the variable, or nothing but the address.
  COALESCE(i.name, o.instance, '0x' || to_hex(t.lock)) AS instance,
  COALESCE(i.name, '') AS found,
  i.path,
  COALESCE(s.site, '[stack missing]') AS site,
  COALESCE(w.name, 'tenant #' || CAST(t.waiter_tenant AS VARCHAR)) AS waiter_tenant,
  COALESCE(h.name, 'tenant #' || CAST(t.holder_tenant AS VARCHAR)) AS holder_tenant,
  t.method AS holder_method,
  /*phase*/ 'start' /*end*/ AS phase,
  /*measures*/
  t.time_ns,
  t.waits,
  t.failed_waits,
  t.wait_ns_total,
  t.wait_ns_min,
  t.wait_ns_max,
  t.spin_ns_total,
  t.sleep_ns_total,
  t.held_ns_total,
  t.free_ns_total,
  t.unknown_ns_total,
  t.hist_buckets,
  t.hist_waits
  /*end*/
FROM /*table*/ totals /*end*/ AS t
LEFT JOIN sites AS s ON s.stack_id = t.stack_id
LEFT JOIN symbols AS y ON y.address = t.lock
LEFT JOIN objects AS o ON o.lock = t.lock AND o.life = 0 AND o.stack_id = t.stack_id
LEFT JOIN object_methods AS m ON m.object = o.object
LEFT JOIN spans AS i ON i.lock = t.lock AND i.life = 0
  AND /*time*/ t.time_ns /*end*/ >= i.begin_ns AND (i.end_ns IS NULL OR /*time*/ t.time_ns /*end*/ < i.end_ns)
LEFT JOIN tenant_names AS w ON w.tenant = t.waiter_tenant
LEFT JOIN tenant_names AS h ON h.tenant = t.holder_tenant
