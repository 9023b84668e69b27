-- The table of tasks with its tenants by name.
SELECT
  t.time_ns, t.tid, t.tgid, t.comm,
  COALESCE(n.name, 'tenant #' || CAST(t.tenant AS VARCHAR)) AS tenant,
  /*phase*/ 'start' /*end*/ AS phase,
  t.lock_type, t.waits, t.wait_ns_total, t.wait_ns_max, t.spin_ns_total, t.sleep_ns_total
FROM tasks AS t
LEFT JOIN tenant_names AS n ON n.tenant = t.tenant
