-- Combined, of one trace: locks that were born (initialised) in a phase, and how often they were taken before they died. A
-- lock has died when its address was initialised again; of those that were not it is not known whether they still live.
-- Spinlocks, rwlocks and semaphores are initialised without a function that could be traced: they are not here.
--
-- tenant, role, workload    who initialised it
-- phase                     where it was born
-- object, method            the lock's own, where it was ever taken; else that of most other locks that are initialised by
--                           the same expression (`same_init`); else that expression (`init_text`)
-- born, died                locks
-- unused, died_unused       of these such that nobody took
-- acquisitions              by anybody, of all that were born here
-- died_acquisitions         the same of those that died
-- lived_ns                  the lives of those that died, nanoseconds
WITH lives AS (
  SELECT
    lock, life, lock_type, tenant, name, time_ns,
    /*phase*/ 'start' /*end*/ AS phase,
    lead(time_ns) OVER (PARTITION BY lock ORDER BY life) AS end_ns
  FROM inits AS t
),
taken AS (
  SELECT
    lock, life,
    first_value(object ORDER BY acquisitions DESC, object) AS object,
    first_value(method ORDER BY acquisitions DESC, object) AS method,
    first_value(subsystem ORDER BY acquisitions DESC, object) AS subsystem,
    sum(acquisitions) AS acquisitions
  FROM uses
  WHERE life > 0
  GROUP BY lock, life
),
kin AS (
  SELECT
    name, lock_type,
    first_value(object ORDER BY locks DESC, object) AS object,
    first_value(subsystem ORDER BY locks DESC, object) AS subsystem
  FROM (
    SELECT l.name, l.lock_type, t.object, t.subsystem, count(*) AS locks
    FROM lives AS l
    JOIN taken AS t ON t.lock = l.lock AND t.life = l.life
    WHERE l.name <> '' AND t.object <> 'unknown' AND t.object <> 'conflict'
    GROUP BY l.name, l.lock_type, t.object, t.subsystem
  ) AS counted
  GROUP BY name, lock_type
)
SELECT
  run, tenant, role, workload, phase, lock_type, object, method, subsystem,
  count(*) AS born,
  count(end_ns) AS died,
  count(*) FILTER (WHERE acquisitions = 0) AS unused,
  count(*) FILTER (WHERE acquisitions = 0 AND end_ns IS NOT NULL) AS died_unused,
  CAST(sum(acquisitions) AS BIGINT) AS acquisitions,
  CAST(COALESCE(sum(CASE WHEN end_ns IS NOT NULL THEN acquisitions END), 0) AS BIGINT) AS died_acquisitions,
  CAST(COALESCE(sum(CASE WHEN end_ns > time_ns THEN end_ns - time_ns END), 0) AS BIGINT) AS lived_ns
FROM (
  SELECT
    r.run,
    COALESCE(w.tenant, 'tenant #' || CAST(l.tenant AS VARCHAR)) AS tenant,
    COALESCE(w.role, 'other') AS role,
    w.workload, l.phase, l.lock_type, l.time_ns, l.end_ns,
    COALESCE(t.object, k.object, CASE WHEN l.name <> '' THEN l.name END, 'unknown') AS object,
    CASE
      WHEN t.object IS NOT NULL THEN t.method
      WHEN k.object IS NOT NULL THEN 'same_init'
      WHEN l.name <> '' THEN 'init_text'
      ELSE 'unknown'
    END AS method,
    COALESCE(t.subsystem, k.subsystem, 'unknown') AS subsystem,
    COALESCE(t.acquisitions, 0) AS acquisitions
  FROM this_run AS r
  CROSS JOIN lives AS l
  LEFT JOIN who AS w ON w.number = l.tenant
  LEFT JOIN taken AS t ON t.lock = l.lock AND t.life = l.life
  LEFT JOIN kin AS k ON k.name = l.name AND k.lock_type = l.lock_type
) AS named
GROUP BY run, tenant, role, workload, phase, lock_type, object, method, subsystem
