-- Kernel objects by how much interference passes through them, on each platform.
--
-- place                1: most potential interference
-- potential_per_s      acquisitions of locks of the class that another tenant of the run acquires too, a second: medians of the
--                      pairs (table potential), added up; share: of all classes
--                      missing, as met_per_s and pairs_with, where no acquisitions were traced
-- met_per_s            acquisitions that would meet a held lock, a second, added up in the same way
-- observed_ns_per_s    nanoseconds waited for it while another tenant held it, per second: medians, added up
-- observed_place       1: most observed interference; missing where none was
-- pairs_with           ordered pairs of workloads that share such locks; runs: of tenants side by side, in all
WITH potentials AS (
  SELECT
    phase, platform, object, lock_type, min(subsystem) AS subsystem,
    sum(rate_median_per_s) AS potential_per_s, sum(met_median_per_s) AS met_per_s,
    count(*) AS pairs_with, CAST(sum(runs) AS BIGINT) AS runs
  FROM potential
  GROUP BY phase, platform, object, lock_type
),
observations AS (
  SELECT
    phase, platform, object, lock_type, min(subsystem) AS subsystem,
    sum(wait_ns_median_per_s) AS observed_ns_per_s, CAST(sum(runs) AS BIGINT) AS runs
  FROM observed
  WHERE holder NOT IN ('self', 'kernel', 'none', 'unknown', 'other')
  GROUP BY phase, platform, object, lock_type
),
joined AS (
  SELECT
    COALESCE(p.phase, o.phase) AS phase,
    COALESCE(p.platform, o.platform) AS platform,
    COALESCE(p.object, o.object) AS object,
    COALESCE(p.lock_type, o.lock_type) AS lock_type,
    COALESCE(p.subsystem, o.subsystem, 'unknown') AS subsystem,
    COALESCE(p.potential_per_s, 0.0) AS potential_per_s,
    COALESCE(p.met_per_s, 0.0) AS met_per_s,
    COALESCE(o.observed_ns_per_s, 0.0) AS observed_ns_per_s,
    COALESCE(p.pairs_with, 0) AS pairs_with
  FROM potentials AS p
  FULL JOIN observations AS o
    ON o.phase = p.phase AND o.platform = p.platform AND o.object = p.object AND o.lock_type = p.lock_type
)
SELECT
  j.phase, j.platform,
  row_number() OVER (
    PARTITION BY j.phase, j.platform ORDER BY potential_per_s DESC, observed_ns_per_s DESC, object, lock_type
  ) AS place,
  object, lock_type, subsystem,
  CASE WHEN w.counted > 0 THEN potential_per_s END AS potential_per_s,
  potential_per_s / NULLIF(sum(potential_per_s) OVER (PARTITION BY j.phase, j.platform), 0) AS share,
  CASE WHEN w.counted > 0 THEN met_per_s END AS met_per_s,
  observed_ns_per_s,
  CASE WHEN observed_ns_per_s > 0 THEN
    rank() OVER (PARTITION BY j.phase, j.platform ORDER BY observed_ns_per_s DESC)
  END AS observed_place,
  CASE WHEN w.counted > 0 THEN pairs_with END AS pairs_with,
  w.runs
FROM joined AS j
JOIN (
  SELECT
    phase, platform, count(DISTINCT run) AS runs,
    sum(CASE WHEN level = 'acquisitions' THEN 1 ELSE 0 END) AS counted
  FROM run_phases WHERE others > 0 GROUP BY phase, platform
) AS w ON w.phase = j.phase AND w.platform = j.platform
ORDER BY phase, platform, place
