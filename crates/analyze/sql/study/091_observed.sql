-- Observed interference, over the repetitions: time that tenants waited for locks while others held them.
--
-- workload             who waited; holder: the workload that held the lock, or `self`, `kernel`, `none`, `unknown`, `other`
-- waits_median         waits in a phase and tenant that are counted with this holder
-- wait_ns_median_per_s nanoseconds that `workload` waited while `holder` held the lock, per second of the phase and tenant
WITH parts AS (
  SELECT
    run, phase, waiter_workload AS workload, object, lock_type, subsystem,
    CASE
      WHEN holder_role = 'tenant' OR holder_role = 'helper' THEN
        CASE WHEN holder = waiter THEN 'self' ELSE holder_workload END
      ELSE holder_role
    END AS holder,
    waits, held_ns AS ns
  FROM waits
  WHERE waiter_role = 'tenant' OR waiter_role = 'helper'
  UNION ALL
  SELECT run, phase, waiter_workload, object, lock_type, subsystem, 'none', 0, free_ns
  FROM waits
  WHERE (waiter_role = 'tenant' OR waiter_role = 'helper') AND free_ns > 0
  UNION ALL
  SELECT run, phase, waiter_workload, object, lock_type, subsystem, 'unknown', 0, unknown_ns
  FROM waits
  WHERE (waiter_role = 'tenant' OR waiter_role = 'helper') AND unknown_ns > 0
),
of_run AS (
  SELECT
    run, phase, workload, holder, object, lock_type, min(subsystem) AS subsystem, sum(waits) AS waits, sum(ns) AS ns
  FROM parts
  GROUP BY run, phase, workload, holder, object, lock_type
  HAVING sum(waits) > 0 OR sum(ns) > 0
),
classes AS (
  SELECT DISTINCT p.platform, p.workloads, p.phase, o.workload, o.holder, o.object, o.lock_type
  FROM of_run AS o
  JOIN run_phases AS p ON p.run = o.run AND p.phase = o.phase AND p.workload = o.workload
)
SELECT
  p.platform, p.workloads, p.phase, p.workload, c.holder, c.object, c.lock_type,
  min(o.subsystem) AS subsystem,
  count(*) AS runs,
  count(o.ns) AS seen_in,
  CAST(sum(p.incomplete) AS BIGINT) AS incomplete,
  median(COALESCE(CAST(o.waits AS DOUBLE), 0.0) / p.tenants) AS waits_median,
  median(COALESCE(CAST(o.ns AS DOUBLE), 0.0) / (p.seconds * p.tenants)) AS wait_ns_median_per_s,
  max(COALESCE(CAST(o.ns AS DOUBLE), 0.0) / (p.seconds * p.tenants)) AS wait_ns_max_per_s
FROM run_phases AS p
JOIN classes AS c
  ON c.platform = p.platform AND c.workloads = p.workloads AND c.phase = p.phase AND c.workload = p.workload
LEFT JOIN of_run AS o
  ON o.run = p.run AND o.phase = p.phase AND o.workload = p.workload AND o.holder = c.holder AND o.object = c.object
    AND o.lock_type = c.lock_type
GROUP BY p.platform, p.workloads, p.phase, p.workload, c.holder, c.object, c.lock_type
ORDER BY p.phase, p.platform, p.workloads, p.workload, wait_ns_median_per_s DESC, c.holder, c.object, c.lock_type
