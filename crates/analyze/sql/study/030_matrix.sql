-- Workloads against platforms, in each phase: a cell of the matrix is a row.
--
-- rate_median_per_s   acquisitions per second and tenant, median of `runs`
-- to_host             how many times that of the platform `host`; missing where the host was not measured
-- platform_rank       1: the platform with the highest rate for this workload
SELECT
  m.phase, m.workloads, m.workload, m.platform, m.runs, m.incomplete,
  m.rate_median_per_s, m.rate_low_per_s, m.rate_high_per_s,
  m.rate_median_per_s / NULLIF(h.rate_median_per_s, 0) AS to_host,
  rank() OVER (PARTITION BY m.phase, m.workloads, m.workload ORDER BY m.rate_median_per_s DESC) AS platform_rank
FROM rates AS m
LEFT JOIN rates AS h
  ON h.platform = 'host' AND h.workloads = m.workloads AND h.workload = m.workload AND h.phase = m.phase
ORDER BY m.phase, m.workloads, m.workload, m.platform
