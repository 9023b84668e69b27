-- The stressors of microbenchmarks, taken apart: what each does to which part of the kernel.
--
-- rate_per_s          acquisitions per second and tenant of locks of the subsystem: medians by class, added up
-- share               of the stressor's rate on this platform in this phase
-- main_object         the class taken most often, with its rate
-- runs                runs behind the number
WITH stressors AS (
  SELECT DISTINCT platform, workloads, workload, phase, stressor
  FROM run_phases
  WHERE stressor IS NOT NULL
)
SELECT
  platform, phase, stressor, subsystem, rate_per_s,
  rate_per_s / NULLIF(sum(rate_per_s) OVER (PARTITION BY platform, phase, stressor), 0) AS share,
  main_object, main_rate_per_s, classes, runs
FROM (
  SELECT
    o.platform, o.phase, s.stressor, o.subsystem,
    sum(o.rate_median_per_s) AS rate_per_s,
    first_value(o.object ORDER BY o.rate_median_per_s DESC, o.object) AS main_object,
    max(o.rate_median_per_s) AS main_rate_per_s,
    count(*) AS classes,
    max(o.runs) AS runs
  FROM object_rates AS o
  JOIN stressors AS s
    ON s.platform = o.platform AND s.workloads = o.workloads AND s.workload = o.workload AND s.phase = o.phase
  WHERE o.rate_median_per_s > 0
  GROUP BY o.platform, o.phase, s.stressor, o.subsystem
) AS sums
ORDER BY phase, platform, stressor, rate_per_s DESC, subsystem
