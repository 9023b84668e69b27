-- Top and hot locks of each platform: the workloads' median rates added up by class.
--
-- rate_per_s          sum over the workloads of their median rates, acquisitions per second and tenant
-- workloads_with      workloads that take it; `of_workloads`: that were run
-- place               1: the highest rate; top: place 20 or better
-- share, cumulative_share   of the rates of all classes; hot: among those that make up the first 90 %
-- runs                runs behind the number, over all workloads
WITH sums AS (
  SELECT
    phase, platform, object, lock_type,
    first_value(subsystem ORDER BY rate_median_per_s DESC, subsystem) AS subsystem,
    sum(rate_median_per_s) AS rate_per_s,
    count(DISTINCT workload) AS workloads_with
  FROM object_rates
  WHERE rate_median_per_s > 0
  GROUP BY phase, platform, object, lock_type
),
whole AS (
  SELECT phase, platform, count(DISTINCT workload) AS of_workloads, count(DISTINCT run) AS runs
  FROM run_phases
  WHERE level = 'acquisitions'
  GROUP BY phase, platform
),
placed AS (
  SELECT
    *,
    row_number() OVER w AS place,
    sum(rate_per_s) OVER w AS cumulative,
    sum(rate_per_s) OVER (PARTITION BY phase, platform) AS all_per_s
  FROM sums
  WINDOW w AS (
    PARTITION BY phase, platform ORDER BY rate_per_s DESC, object, lock_type
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
)
SELECT
  p.phase, p.platform, p.place, p.object, p.lock_type, p.subsystem, p.rate_per_s,
  p.rate_per_s / p.all_per_s AS share,
  p.cumulative / p.all_per_s AS cumulative_share,
  p.place <= 20 AS top,
  p.cumulative - p.rate_per_s < 0.9 * p.all_per_s AS hot,
  p.workloads_with, w.of_workloads, w.runs
FROM placed AS p
JOIN whole AS w ON w.phase = p.phase AND w.platform = p.platform
ORDER BY p.phase, p.platform, p.place
