-- Potential interference by instance, over the repetitions: through which class of locks one workload could slow another.
--
-- workload             whose acquisitions are counted; other_workload: the one that could come and wait
-- runs, seen_in        runs of this pair, and those in which the two had such a lock in common
-- locks_median         locks in common
-- rate_median_per_s    acquisitions of them by `workload` a second: weighted by rate
-- busy_median          share of the phase that `workload` held them, summed over the locks: weighted by hold time
-- met_median_per_s     acquisitions by the other that would meet a held lock, a second: weighted by both (016_shared_locks.sql)
WITH pairs AS (
  SELECT
    a.platform, a.workloads, a.run, a.phase, a.workload, b.workload AS other_workload, a.seconds,
    -- Ordered pairs of tenants with these workloads.
    CASE WHEN a.workload = b.workload THEN a.tenants * (a.tenants - 1) ELSE a.tenants * b.tenants END AS pairs
  FROM run_phases AS a
  JOIN run_phases AS b ON b.run = a.run AND b.phase = a.phase AND (b.workload <> a.workload OR a.tenants > 1)
  WHERE a.level = 'acquisitions'
),
classes AS (
  SELECT DISTINCT platform, workloads, phase, workload, other_workload, object, lock_type FROM shared_locks
),
of_run AS (
  SELECT
    run, phase, workload, other_workload, object, lock_type,
    min(subsystem) AS subsystem,
    sum(locks) AS locks, sum(acquisitions) AS acquisitions, sum(hold_ns) AS hold_ns, sum(met_per_s) AS met_per_s
  FROM shared_locks
  GROUP BY run, phase, workload, other_workload, object, lock_type
)
SELECT
  p.platform, p.workloads, p.phase, p.workload, p.other_workload, c.object, c.lock_type,
  min(s.subsystem) AS subsystem,
  count(*) AS runs,
  count(s.locks) AS seen_in,
  median(COALESCE(CAST(s.locks AS DOUBLE), 0.0) / p.pairs) AS locks_median,
  median(COALESCE(CAST(s.acquisitions AS DOUBLE), 0.0) / (p.seconds * p.pairs)) AS rate_median_per_s,
  median(COALESCE(CAST(s.hold_ns AS DOUBLE), 0.0) / 1e9 / (p.seconds * p.pairs)) AS busy_median,
  median(COALESCE(s.met_per_s, 0.0) / p.pairs) AS met_median_per_s
FROM pairs AS p
JOIN classes AS c
  ON c.platform = p.platform AND c.workloads = p.workloads AND c.phase = p.phase AND c.workload = p.workload
    AND c.other_workload = p.other_workload
LEFT JOIN of_run AS s
  ON s.run = p.run AND s.phase = p.phase AND s.workload = p.workload AND s.other_workload = p.other_workload
    AND s.object = c.object AND s.lock_type = c.lock_type
GROUP BY p.platform, p.workloads, p.phase, p.workload, p.other_workload, c.object, c.lock_type
ORDER BY p.phase, p.platform, p.workloads, p.workload, p.other_workload, rate_median_per_s DESC, c.object, c.lock_type
