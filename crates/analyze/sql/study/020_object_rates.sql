-- Rates by class of lock, over the repetitions: of each workload, on each platform, in each phase.
--
-- runs               runs that count; `seen_in`: those of them in which the class was taken at all. The others count as 0.
-- incomplete         runs whose trace lost something
-- rate_mean_per_s ... rate_max_per_s   acquisitions per second and tenant: mean, median, least and most over the runs
-- rate_sd_per_s      standard deviation; missing with one run
-- locks_median       different locks of the class
-- hold_ns_mean       mean hold, nanoseconds, over all holds of all runs
-- busy_median        share of the phase during which locks of the class were held, summed over its locks
WITH groups AS (
  SELECT platform, workloads, workload, phase, count(*) AS runs, CAST(sum(incomplete) AS BIGINT) AS incomplete
  FROM run_phases
  WHERE level = 'acquisitions'
  GROUP BY platform, workloads, workload, phase
),
classes AS (
  SELECT
    platform, workloads, workload, phase, object, lock_type,
    first_value(subsystem ORDER BY acquisitions DESC, subsystem) AS subsystem
  FROM combined
  GROUP BY platform, workloads, workload, phase, object, lock_type
),
filled AS (
  SELECT
    c.platform, c.workloads, c.workload, c.phase, c.object, c.lock_type, c.subsystem,
    COALESCE(x.rate_per_s, 0.0) AS rate, COALESCE(x.busy, 0.0) AS busy, COALESCE(x.locks, 0) AS locks,
    CASE WHEN x.acquisitions > 0 THEN 1 ELSE 0 END AS seen,
    x.holds, x.hold_ns
  FROM classes AS c
  JOIN run_phases AS p
    ON p.platform = c.platform AND p.workloads = c.workloads AND p.workload = c.workload AND p.phase = c.phase
      AND p.level = 'acquisitions'
  LEFT JOIN combined AS x
    ON x.run = p.run AND x.workload = c.workload AND x.phase = c.phase AND x.object = c.object
      AND x.lock_type = c.lock_type
)
SELECT
  f.platform, f.workloads, f.workload, f.phase, f.object, f.lock_type, f.subsystem,
  max(g.runs) AS runs,
  CAST(sum(f.seen) AS BIGINT) AS seen_in,
  max(g.incomplete) AS incomplete,
  avg(f.rate) AS rate_mean_per_s,
  median(f.rate) AS rate_median_per_s,
  min(f.rate) AS rate_min_per_s,
  max(f.rate) AS rate_max_per_s,
  stddev_samp(f.rate) AS rate_sd_per_s,
  median(CAST(f.locks AS DOUBLE)) AS locks_median,
  CAST(sum(f.hold_ns) AS DOUBLE) / CAST(sum(f.holds) AS DOUBLE) AS hold_ns_mean,
  median(f.busy) AS busy_median
FROM filled AS f
JOIN groups AS g
  ON g.platform = f.platform AND g.workloads = f.workloads AND g.workload = f.workload AND g.phase = f.phase
GROUP BY f.platform, f.workloads, f.workload, f.phase, f.object, f.lock_type, f.subsystem
ORDER BY f.phase, f.platform, f.workloads, f.workload, rate_median_per_s DESC, f.object, f.lock_type
