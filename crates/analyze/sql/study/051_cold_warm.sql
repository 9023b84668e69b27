-- Cold against warm: the same workload on the same platform while it starts and while it runs.
--
-- cold_per_s, warm_per_s      acquisitions per second and tenant, medians over the runs of that phase
-- cold_to_warm                the first divided by the second
-- cold_born_per_s, warm_born_per_s   locks initialised per second and tenant: medians by class, added up
-- cold_only, warm_only        classes of locks that are taken in this phase alone
WITH of_phase AS (
  SELECT platform, workloads, workload, phase, runs, rate_median_per_s FROM rates
),
born AS (
  SELECT platform, workloads, workload, phase, sum(born_median_per_s) AS born_per_s
  FROM birth_rates
  GROUP BY platform, workloads, workload, phase
),
alone AS (
  SELECT
    platform, workloads, workload,
    CAST(sum(CASE WHEN phases = 1 AND phase = 'cold' THEN 1 ELSE 0 END) AS BIGINT) AS cold_only,
    CAST(sum(CASE WHEN phases = 1 AND phase = 'warm' THEN 1 ELSE 0 END) AS BIGINT) AS warm_only
  FROM (
    SELECT platform, workloads, workload, object, lock_type, count(*) AS phases, min(phase) AS phase
    FROM object_rates
    GROUP BY platform, workloads, workload, object, lock_type
  ) AS classes
  GROUP BY platform, workloads, workload
)
SELECT
  c.platform, c.workloads, c.workload,
  c.runs AS cold_runs, w.runs AS warm_runs,
  c.rate_median_per_s AS cold_per_s,
  w.rate_median_per_s AS warm_per_s,
  c.rate_median_per_s / NULLIF(w.rate_median_per_s, 0) AS cold_to_warm,
  COALESCE(d.born_per_s, 0.0) AS cold_born_per_s,
  COALESCE(x.born_per_s, 0.0) AS warm_born_per_s,
  COALESCE(a.cold_only, 0) AS cold_only,
  COALESCE(a.warm_only, 0) AS warm_only
FROM of_phase AS c
JOIN of_phase AS w
  ON w.phase = 'warm' AND w.platform = c.platform AND w.workloads = c.workloads AND w.workload = c.workload
LEFT JOIN born AS d
  ON d.phase = 'cold' AND d.platform = c.platform AND d.workloads = c.workloads AND d.workload = c.workload
LEFT JOIN born AS x
  ON x.phase = 'warm' AND x.platform = c.platform AND x.workloads = c.workloads AND x.workload = c.workload
LEFT JOIN alone AS a ON a.platform = c.platform AND a.workloads = c.workloads AND a.workload = c.workload
WHERE c.phase = 'cold'
ORDER BY c.platform, c.workloads, c.workload
