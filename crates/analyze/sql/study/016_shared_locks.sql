-- Potential interference by instance, run by run: locks that two tenants of a run both acquire (012_by_lock.sql says what
-- one lock is), by class.
--
-- tenant, other        the one whose acquisitions are counted, and the one that could come and wait
-- locks                that both acquire
-- acquisitions         of them by `tenant`; hold_ns: how long it held them, nanoseconds
-- other_acquisitions   by `other`
-- met_per_s            acquisitions by `other` that would find the lock held by `tenant`, a second, if the two took no notice of
--                      each other: for each lock the rate of `other` times the share of the phase that `tenant` held it
WITH used AS (SELECT * FROM by_lock WHERE users > 1),
lengths AS (
  SELECT run, platform, workloads, phase, max(seconds) AS seconds FROM run_phases GROUP BY run, platform, workloads, phase
)
SELECT
  l.platform, l.workloads, a.run, a.phase, a.tenant, a.workload, b.tenant AS other, b.workload AS other_workload,
  a.object, a.lock_type, min(a.subsystem) AS subsystem,
  count(*) AS locks,
  CAST(sum(a.acquisitions) AS BIGINT) AS acquisitions,
  CAST(sum(a.hold_ns) AS BIGINT) AS hold_ns,
  CAST(sum(b.acquisitions) AS BIGINT) AS other_acquisitions,
  CAST(sum(a.acquisitions) AS DOUBLE) / max(l.seconds) AS rate_per_s,
  sum(
    CAST(b.acquisitions AS DOUBLE) / l.seconds
      * CASE WHEN a.hold_ns > l.seconds * 1e9 THEN 1.0 ELSE CAST(a.hold_ns AS DOUBLE) / 1e9 / l.seconds END
  ) AS met_per_s
FROM used AS a
JOIN used AS b
  ON b.run = a.run AND b.phase = a.phase AND b.lock = a.lock AND b.life = a.life AND b.found = a.found
    AND b.lock_type = a.lock_type AND b.object = a.object AND b.tenant <> a.tenant
JOIN lengths AS l ON l.run = a.run AND l.phase = a.phase
GROUP BY
  l.platform, l.workloads, a.run, a.phase, a.tenant, a.workload, b.tenant, b.workload, a.object, a.lock_type
