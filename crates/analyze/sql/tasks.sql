-- Waits summed up by waiting task, under the name that it had last. A number that the kernel gave to a thread of
-- another tenant later is another task.
SELECT
  tid,
  tgid,
  last_value(comm ORDER BY time_ns, comm) AS comm,
  tenant,
  sum(waits) AS waits,
  sum(wait_ns_total) AS wait_ns_total,
  max(wait_ns_max) AS wait_ns_max,
  CASE WHEN sum(waits) > 0 THEN sum(wait_ns_total) / sum(waits) END AS wait_ns_avg,
  sum(spin_ns_total) AS spin_ns_total,
  sum(sleep_ns_total) AS sleep_ns_total
FROM task_waits
GROUP BY tid, tgid, tenant
