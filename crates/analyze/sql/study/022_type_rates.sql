-- Rates by type of lock, over the repetitions.
--
-- runs, rate_..._per_s   as in object_rates
-- share                  of the median rates of all types of that workload, platform and phase
WITH by_run AS (
  SELECT
    p.run, p.platform, p.workloads, p.workload, p.phase, k.lock_type,
    COALESCE(sum(c.rate_per_s), 0.0) AS rate
  FROM run_phases AS p
  JOIN (SELECT DISTINCT platform, workloads, workload, phase, lock_type FROM combined) AS k
    ON k.platform = p.platform AND k.workloads = p.workloads AND k.workload = p.workload AND k.phase = p.phase
  LEFT JOIN combined AS c
    ON c.run = p.run AND c.workload = p.workload AND c.phase = p.phase AND c.lock_type = k.lock_type
  WHERE p.level = 'acquisitions'
  GROUP BY p.run, p.platform, p.workloads, p.workload, p.phase, k.lock_type
),
over_runs AS (
  SELECT
    platform, workloads, workload, phase, lock_type,
    count(*) AS runs,
    avg(rate) AS rate_mean_per_s,
    median(rate) AS rate_median_per_s,
    min(rate) AS rate_min_per_s,
    max(rate) AS rate_max_per_s
  FROM by_run
  GROUP BY platform, workloads, workload, phase, lock_type
)
SELECT
  platform, workloads, workload, phase, lock_type, runs,
  rate_mean_per_s, rate_median_per_s, rate_min_per_s, rate_max_per_s,
  rate_median_per_s / NULLIF(sum(rate_median_per_s) OVER (PARTITION BY platform, workloads, workload, phase), 0) AS share
FROM over_runs
ORDER BY phase, workloads, workload, platform, rate_median_per_s DESC, lock_type
