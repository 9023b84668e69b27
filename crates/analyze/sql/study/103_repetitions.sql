-- Repetitions that disagree: workloads whose rate differs by more than half of its median from run to run.
--
-- spread               (most - least) / median
-- least_run, most_run  the runs with the lowest and the highest rate
SELECT
  platform, workloads, workload, phase,
  count(*) AS runs,
  median(rate) AS rate_median_per_s,
  min(rate) AS rate_min_per_s,
  max(rate) AS rate_max_per_s,
  (max(rate) - min(rate)) / NULLIF(median(rate), 0) AS spread,
  first_value(run ORDER BY rate, run) AS least_run,
  first_value(run ORDER BY rate DESC, run) AS most_run
FROM (
  SELECT
    p.run, p.platform, p.workloads, p.workload, p.phase, COALESCE(sum(c.rate_per_s), 0.0) AS rate
  FROM run_phases AS p
  LEFT JOIN combined AS c ON c.run = p.run AND c.workload = p.workload AND c.phase = p.phase
  WHERE p.level = 'acquisitions'
  GROUP BY p.run, p.platform, p.workloads, p.workload, p.phase
) AS of_run
GROUP BY platform, workloads, workload, phase
HAVING count(*) > 1 AND max(rate) - min(rate) > 0.5 * median(rate)
ORDER BY spread DESC, platform, workloads, workload, phase
