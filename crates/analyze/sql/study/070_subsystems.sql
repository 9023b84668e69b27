-- The subsystems' maximum rates: in which workload locks of a part of the kernel are taken most often.
--
-- rate_max_per_s       the highest of the workloads' rates (medians by class, added up), acquisitions per second and tenant
-- max_workload         which workload that is
-- rate_mean_per_s      mean over the workloads, those that take none counting as 0
-- max_object, max_object_per_s   the class with the highest rate in any workload
-- workloads_with, of_workloads, runs   what stands behind it
WITH by_workload AS (
  SELECT
    phase, platform, workloads, workload, subsystem,
    sum(rate_median_per_s) AS rate,
    first_value(object ORDER BY rate_median_per_s DESC, object) AS object,
    max(rate_median_per_s) AS object_rate
  FROM object_rates
  WHERE rate_median_per_s > 0
  GROUP BY phase, platform, workloads, workload, subsystem
)
SELECT
  b.phase, b.platform, b.subsystem,
  max(b.rate) AS rate_max_per_s,
  first_value(b.workload ORDER BY b.rate DESC, b.workload) AS max_workload,
  sum(b.rate) / CAST(max(w.cells) AS DOUBLE) AS rate_mean_per_s,
  first_value(b.object ORDER BY b.object_rate DESC, b.object) AS max_object,
  max(b.object_rate) AS max_object_per_s,
  count(DISTINCT b.workload) AS workloads_with,
  max(w.of_workloads) AS of_workloads,
  max(w.runs) AS runs
FROM by_workload AS b
JOIN (
  SELECT phase, platform, count(DISTINCT workload) AS of_workloads, count(*) AS cells, CAST(sum(runs) AS BIGINT) AS runs
  FROM rates
  GROUP BY phase, platform
) AS w ON w.phase = b.phase AND w.platform = b.platform
GROUP BY b.phase, b.platform, b.subsystem
ORDER BY b.phase, b.platform, rate_max_per_s DESC, b.subsystem
