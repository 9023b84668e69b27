-- Run by run: how much of what a tenant acquires others acquire too.
--
-- acquisitions         of all locks by the tenant and its helpers; locks: how many
-- instance_acquisitions   of these, of locks that another tenant of the run acquires as well; shared_locks: how many
-- class_acquisitions   the same of classes of locks that another tenant takes: what would be shared if all locks of a class
--                      were one
-- instance_share, class_share   as shares of all acquisitions
-- met_share            of the tenant's acquisitions, those that would find the lock held by another tenant (met_per_s)
WITH classes AS (
  SELECT run, phase, lock_type, object, count(DISTINCT tenant) AS users
  FROM by_lock
  GROUP BY run, phase, lock_type, object
),
met AS (
  SELECT run, phase, other AS tenant, sum(met_per_s) AS met_per_s FROM shared_locks GROUP BY run, phase, other
),
sums AS (
  SELECT
    u.run, u.phase, u.tenant, u.workload,
    count(*) AS locks,
    CAST(sum(CASE WHEN u.users > 1 THEN 1 ELSE 0 END) AS BIGINT) AS shared_locks,
    sum(u.acquisitions) AS acquisitions,
    sum(CASE WHEN u.users > 1 THEN u.acquisitions ELSE 0 END) AS instance_acquisitions,
    sum(CASE WHEN c.users > 1 THEN u.acquisitions ELSE 0 END) AS class_acquisitions
  FROM by_lock AS u
  JOIN classes AS c ON c.run = u.run AND c.phase = u.phase AND c.lock_type = u.lock_type AND c.object = u.object
  GROUP BY u.run, u.phase, u.tenant, u.workload
)
SELECT
  p.platform, p.workloads, s.run, p.repetition, s.phase, s.tenant, s.workload, p.incomplete, p.seconds,
  s.locks, s.shared_locks,
  CAST(s.acquisitions AS BIGINT) AS acquisitions,
  CAST(s.instance_acquisitions AS BIGINT) AS instance_acquisitions,
  CAST(s.class_acquisitions AS BIGINT) AS class_acquisitions,
  CAST(s.instance_acquisitions AS DOUBLE) / CAST(s.acquisitions AS DOUBLE) AS instance_share,
  CAST(s.class_acquisitions AS DOUBLE) / CAST(s.acquisitions AS DOUBLE) AS class_share,
  CASE
    WHEN COALESCE(m.met_per_s, 0.0) * p.seconds > CAST(s.acquisitions AS DOUBLE) THEN 1.0
    ELSE COALESCE(m.met_per_s, 0.0) * p.seconds / CAST(s.acquisitions AS DOUBLE)
  END AS met_share
FROM sums AS s
JOIN run_phases AS p ON p.run = s.run AND p.phase = s.phase AND p.workload = s.workload AND p.others > 0
LEFT JOIN met AS m ON m.run = s.run AND m.phase = s.phase AND m.tenant = s.tenant
