-- Classes of locks across workloads, on each platform: in how many each is taken.
--
-- workloads_with, of_workloads, common   as in common_platforms
-- hot_in              workloads in which it is among the classes that make up the first 90 %
-- rate_least_per_s, rate_most_per_s      of the workloads that take it; most_workload: which takes it most
WITH by_workload AS (
  SELECT
    phase, platform, workload, object, lock_type,
    first_value(subsystem ORDER BY rate_median_per_s DESC, subsystem) AS subsystem,
    avg(rate_median_per_s) AS rate, CAST(sum(runs) AS BIGINT) AS runs
  FROM object_rates
  WHERE rate_median_per_s > 0
  GROUP BY phase, platform, workload, object, lock_type
),
placed AS (
  SELECT
    *,
    sum(rate) OVER (
      PARTITION BY phase, platform, workload ORDER BY rate DESC, object, lock_type
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS cumulative,
    sum(rate) OVER (PARTITION BY phase, platform, workload) AS whole
  FROM by_workload
)
SELECT
  p.phase, p.platform, p.object, p.lock_type,
  first_value(p.subsystem ORDER BY p.rate DESC, p.subsystem) AS subsystem,
  count(*) AS workloads_with,
  max(o.of_workloads) AS of_workloads,
  count(*) = max(o.of_workloads) AND max(o.of_workloads) > 1 AS common,
  CAST(sum(CASE WHEN p.cumulative - p.rate < 0.9 * p.whole THEN 1 ELSE 0 END) AS BIGINT) AS hot_in,
  min(p.rate) AS rate_least_per_s,
  max(p.rate) AS rate_most_per_s,
  first_value(p.workload ORDER BY p.rate DESC, p.workload) AS most_workload,
  CAST(sum(p.runs) AS BIGINT) AS runs
FROM placed AS p
JOIN (
  SELECT phase, platform, count(DISTINCT workload) AS of_workloads
  FROM run_phases
  WHERE level = 'acquisitions'
  GROUP BY phase, platform
) AS o ON o.phase = p.phase AND o.platform = p.platform
GROUP BY p.phase, p.platform, p.object, p.lock_type
ORDER BY p.phase, p.platform, workloads_with DESC, rate_most_per_s DESC, p.object, p.lock_type
