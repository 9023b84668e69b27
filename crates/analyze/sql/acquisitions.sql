-- Every row of the acquisitions with its numbers turned into words, as in waits.sql.
SELECT
  t.time_ns,
  t.lock,
  t.life,
  t.lock_type,
  t.mode,
  t.context,
  t.stack_id,
  CASE
    WHEN o.object <> 'unknown' THEN o.object
    WHEN t.slab_cache IS NOT NULL THEN t.slab_cache || COALESCE('+0x' || to_hex(CAST(t.slab_offset AS BIGINT)), '')
    WHEN y.symbol IS NOT NULL THEN y.symbol
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
  COALESCE(i.name, o.instance, '0x' || to_hex(t.lock)) AS instance,
  COALESCE(i.name, '') AS found,
  i.path,
  COALESCE(s.site, '[stack missing]') AS site,
  COALESCE(n.name, 'tenant #' || CAST(t.tenant AS VARCHAR)) AS tenant,
  /*phase*/ 'start' /*end*/ AS phase,
  t.acquisitions,
  -- Each stands for so many, when only a sample was recorded.
  /*weight*/ 1 /*end*/ AS weight,
  t.failed,
  t.waits,
  t.wait_ns_total,
  t.wait_ns_min,
  t.wait_ns_max,
  t.holds,
  t.hold_ns_total,
  t.hold_ns_min,
  t.hold_ns_max,
  t.cross_cpu,
  t.cross_cpu_waits,
  t.cross_node,
  t.mode_changes,
  t.longest_run,
  t.hold_octaves,
  t.hold_counts,
  t.wait_octaves,
  t.wait_counts,
  t.hold_max_tid,
  t.hold_max_end_ns,
  t.wait_max_tid,
  t.wait_max_end_ns
FROM acquisitions AS t
LEFT JOIN sites AS s ON s.stack_id = t.stack_id
LEFT JOIN symbols AS y ON y.address = t.lock
LEFT JOIN objects AS o ON o.lock = t.lock AND o.life = t.life AND o.stack_id = t.stack_id
LEFT JOIN object_methods AS m ON m.object = o.object
LEFT JOIN spans AS i ON i.lock = t.lock AND i.life = t.life
  AND t.time_ns >= i.begin_ns AND (i.end_ns IS NULL OR t.time_ns < i.end_ns)
LEFT JOIN tenant_names AS n ON n.tenant = t.tenant
