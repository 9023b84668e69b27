-- Filtered cumulative rates, for cold start and warm-up: the classes of locks that make up 99 % of a workload's acquisitions,
-- the most frequent first. Classes that were taken in less than half of the runs are left out.
--
-- place               1: taken most often
-- cumulative_per_s    rates down to here, added up; cumulative_share: the same as a share of all that were not left out
WITH kept AS (
  SELECT *
  FROM object_rates
  WHERE 2 * seen_in >= runs AND rate_median_per_s > 0
),
summed AS (
  SELECT
    phase, platform, workloads, workload, object, lock_type, subsystem, runs, seen_in, rate_median_per_s,
    row_number() OVER w AS place,
    sum(rate_median_per_s) OVER w AS cumulative_per_s,
    sum(rate_median_per_s) OVER (PARTITION BY phase, platform, workloads, workload) AS whole
  FROM kept
  WINDOW w AS (
    PARTITION BY phase, platform, workloads, workload ORDER BY rate_median_per_s DESC, object, lock_type
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
)
SELECT
  phase, platform, workloads, workload, place, object, lock_type, subsystem, runs, seen_in,
  rate_median_per_s, cumulative_per_s,
  cumulative_per_s / whole AS cumulative_share
FROM summed
WHERE cumulative_per_s - rate_median_per_s < 0.99 * whole
ORDER BY phase, platform, workloads, workload, place
