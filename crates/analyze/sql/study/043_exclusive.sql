-- Classes of locks that only one platform takes (`scope` platform), or only one workload, whatever the platform (`scope`
-- workload). With one platform or one workload nothing is exclusive.
--
-- who                 the platform, or the workload
-- seen_in, runs       runs of it in which the class was taken, and runs of it in all
-- certain             taken in at least two runs and in half of them: more than a chance
WITH seen AS (
  SELECT
    c.phase, c.object, c.lock_type, c.platform, c.workload, c.run,
    max(c.subsystem) AS subsystem, sum(c.rate_per_s) AS rate
  FROM combined AS c
  WHERE c.acquisitions > 0
  GROUP BY c.phase, c.object, c.lock_type, c.platform, c.workload, c.run
),
exclusive AS (
  SELECT
    'platform' AS scope, phase, object, lock_type, min(platform) AS who, max(subsystem) AS subsystem,
    count(DISTINCT run) AS seen_in, max(rate) AS rate_most_per_s
  FROM seen
  GROUP BY phase, object, lock_type
  HAVING count(DISTINCT platform) = 1
  UNION ALL
  SELECT
    'workload', phase, object, lock_type, min(workload), max(subsystem), count(DISTINCT run), max(rate)
  FROM seen
  GROUP BY phase, object, lock_type
  HAVING count(DISTINCT workload) = 1
),
whole AS (
  SELECT 'platform' AS scope, phase, platform AS who, count(DISTINCT run) AS runs
  FROM run_phases WHERE level = 'acquisitions' GROUP BY phase, platform
  UNION ALL
  SELECT 'workload', phase, workload, count(DISTINCT run)
  FROM run_phases WHERE level = 'acquisitions' GROUP BY phase, workload
)
SELECT
  e.scope, e.phase, e.who, e.object, e.lock_type, e.subsystem, e.rate_most_per_s, e.seen_in, w.runs,
  e.seen_in >= 2 AND 2 * e.seen_in >= w.runs AS certain
FROM exclusive AS e
JOIN whole AS w ON w.scope = e.scope AND w.phase = e.phase AND w.who = e.who
JOIN (SELECT scope, phase, count(*) AS choices FROM whole GROUP BY scope, phase) AS c
  ON c.scope = e.scope AND c.phase = e.phase AND c.choices > 1
ORDER BY e.scope, e.phase, e.who, e.rate_most_per_s DESC, e.object, e.lock_type
