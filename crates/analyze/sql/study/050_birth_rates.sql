-- From init to acquire: locks born in a phase, and how often they are taken before they die, over the repetitions. Of the
-- tenants and their helpers; see 014_births.sql for what a birth and a death are.
--
-- runs, seen_in        runs that count, and those with such a birth
-- born_median_per_s    births per second and tenant, median over the runs (a run without one counts as 0)
-- born, died, unused   locks, over all runs; unused: never taken while they were watched
-- died_unused_share    of those that died, the ones that nobody ever took
-- per_life_mean        acquisitions of a lock that died, mean over all of them
-- lived_ns_mean        nanoseconds from its birth to its death, mean
WITH of_run AS (
  SELECT
    run, workload, phase, object, lock_type,
    min(subsystem) AS subsystem,
    sum(born) AS born, sum(died) AS died, sum(unused) AS unused, sum(died_unused) AS died_unused,
    sum(acquisitions) AS acquisitions, sum(died_acquisitions) AS died_acquisitions, sum(lived_ns) AS lived_ns
  FROM births
  WHERE role = 'tenant' OR role = 'helper'
  GROUP BY run, workload, phase, object, lock_type
),
classes AS (
  SELECT p.platform, p.workloads, p.workload, p.phase, b.object, b.lock_type, min(b.subsystem) AS subsystem
  FROM of_run AS b
  JOIN run_phases AS p ON p.run = b.run AND p.workload = b.workload AND p.phase = b.phase
  GROUP BY p.platform, p.workloads, p.workload, p.phase, b.object, b.lock_type
)
SELECT
  c.platform, c.workloads, c.workload, c.phase, c.object, c.lock_type, c.subsystem,
  count(*) AS runs,
  count(b.born) AS seen_in,
  median(COALESCE(CAST(b.born AS DOUBLE), 0.0) / (p.seconds * p.tenants)) AS born_median_per_s,
  CAST(sum(b.born) AS BIGINT) AS born,
  CAST(sum(b.died) AS BIGINT) AS died,
  CAST(sum(b.unused) AS BIGINT) AS unused,
  CAST(sum(b.died_unused) AS DOUBLE) / CAST(NULLIF(sum(b.died), 0) AS DOUBLE) AS died_unused_share,
  CAST(sum(b.died_acquisitions) AS DOUBLE) / CAST(NULLIF(sum(b.died), 0) AS DOUBLE) AS per_life_mean,
  CAST(sum(b.lived_ns) AS DOUBLE) / CAST(NULLIF(sum(b.died), 0) AS DOUBLE) AS lived_ns_mean
FROM classes AS c
JOIN run_phases AS p
  ON p.platform = c.platform AND p.workloads = c.workloads AND p.workload = c.workload AND p.phase = c.phase
    AND p.level = 'acquisitions'
LEFT JOIN of_run AS b
  ON b.run = p.run AND b.workload = c.workload AND b.phase = c.phase AND b.object = c.object AND b.lock_type = c.lock_type
GROUP BY c.platform, c.workloads, c.workload, c.phase, c.object, c.lock_type, c.subsystem
ORDER BY c.phase, c.platform, c.workloads, c.workload, born DESC, c.object, c.lock_type
