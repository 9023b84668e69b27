-- Rates of all locks together, over the repetitions, with the bootstrap's interval for the median.
--
-- runs, incomplete             runs that count, and those of them whose trace lost something
-- rate_mean_per_s, rate_median_per_s   mean and median of the runs' sums, acquisitions per second and tenant
-- rate_low_per_s, rate_high_per_s      interval of the median: bootstrap, percentiles 2.5 and 97.5 of 1,000 samples. With up to
--                              five runs it is no narrower than from the least to the most.
-- rate_min_per_s, rate_max_per_s, rate_sd_per_s   spread over the runs
-- sum_of_means_per_s, sum_of_medians_per_s        the classes' means and medians (object_rates), added up
-- classes, locks_median        classes of locks seen in any run, and the median of how many locks
WITH totals AS (
  SELECT
    p.run, p.platform, p.workloads, p.workload, p.phase, p.incomplete,
    COALESCE(sum(c.rate_per_s), 0.0) AS rate,
    COALESCE(sum(c.locks), 0) AS locks
  FROM run_phases AS p
  LEFT JOIN combined AS c ON c.run = p.run AND c.workload = p.workload AND c.phase = p.phase
  WHERE p.level = 'acquisitions'
  GROUP BY p.run, p.platform, p.workloads, p.workload, p.phase, p.incomplete
),
ranked AS (
  SELECT
    platform, workloads, workload, phase, rate,
    row_number() OVER (PARTITION BY platform, workloads, workload, phase ORDER BY rate, run) AS k,
    count(*) OVER (PARTITION BY platform, workloads, workload, phase) AS n
  FROM totals
),
medians AS (
  SELECT
    r.platform, r.workloads, r.workload, r.phase, d.b, median(r.rate) AS middle
  FROM ranked AS r
  JOIN draws AS d ON d.n = r.n AND d.k = r.k
  GROUP BY r.platform, r.workloads, r.workload, r.phase, d.b
),
ordered AS (
  SELECT
    platform, workloads, workload, phase, middle,
    row_number() OVER (PARTITION BY platform, workloads, workload, phase ORDER BY middle) AS place
  FROM medians
),
intervals AS (
  SELECT
    platform, workloads, workload, phase,
    max(CASE WHEN place = 25 THEN middle END) AS low,
    max(CASE WHEN place = 975 THEN middle END) AS high
  FROM ordered
  GROUP BY platform, workloads, workload, phase
),
sums AS (
  SELECT
    platform, workloads, workload, phase,
    count(*) AS classes, sum(rate_mean_per_s) AS means, sum(rate_median_per_s) AS medians
  FROM object_rates
  GROUP BY platform, workloads, workload, phase
)
SELECT
  t.platform, t.workloads, t.workload, t.phase,
  count(*) AS runs,
  CAST(sum(t.incomplete) AS BIGINT) AS incomplete,
  avg(t.rate) AS rate_mean_per_s,
  median(t.rate) AS rate_median_per_s,
  max(i.low) AS rate_low_per_s,
  max(i.high) AS rate_high_per_s,
  min(t.rate) AS rate_min_per_s,
  max(t.rate) AS rate_max_per_s,
  stddev_samp(t.rate) AS rate_sd_per_s,
  COALESCE(max(s.means), 0.0) AS sum_of_means_per_s,
  COALESCE(max(s.medians), 0.0) AS sum_of_medians_per_s,
  COALESCE(max(s.classes), 0) AS classes,
  median(CAST(t.locks AS DOUBLE)) AS locks_median
FROM totals AS t
LEFT JOIN intervals AS i
  ON i.platform = t.platform AND i.workloads = t.workloads AND i.workload = t.workload AND i.phase = t.phase
LEFT JOIN sums AS s
  ON s.platform = t.platform AND s.workloads = t.workloads AND s.workload = t.workload AND s.phase = t.phase
GROUP BY t.platform, t.workloads, t.workload, t.phase
ORDER BY t.phase, t.workloads, t.workload, t.platform
