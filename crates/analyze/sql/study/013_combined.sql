-- Combined over all runs that count: what the tenants (with their helpers) acquired, by class of lock. A class is an object
-- and a type of lock.
--
-- locks              how many different locks of the class, of each tenant
-- acquisitions, waits, holds, wait_ns, hold_ns   sums over the tenants of that workload
-- rate_per_s         acquisitions per second of the phase and tenant
-- busy               share of the phase during which a lock of the class was held, summed over its locks: may exceed 1
SELECT
  p.run, p.platform, p.workloads, p.repetition, p.workload, p.workload_group, p.stressor, p.phase,
  u.object, u.lock_type, u.subsystem, u.method,
  u.locks, u.acquisitions, u.waits, u.wait_ns, u.holds, u.hold_ns,
  CAST(u.acquisitions AS DOUBLE) / (p.seconds * p.tenants) AS rate_per_s,
  CAST(u.hold_ns AS DOUBLE) / 1e9 / (p.seconds * p.tenants) AS busy
FROM run_phases AS p
JOIN (
  SELECT
    run, workload, phase, object, lock_type,
    first_value(subsystem ORDER BY acquisitions DESC, subsystem) AS subsystem,
    first_value(method ORDER BY acquisitions DESC, method) AS method,
    count(*) AS locks,
    CAST(sum(acquisitions) AS BIGINT) AS acquisitions,
    CAST(sum(waits) AS BIGINT) AS waits,
    CAST(sum(wait_ns) AS BIGINT) AS wait_ns,
    CAST(sum(holds) AS BIGINT) AS holds,
    CAST(sum(hold_ns) AS BIGINT) AS hold_ns
  FROM by_lock
  GROUP BY run, workload, phase, object, lock_type
) AS u ON u.run = p.run AND u.workload = p.workload AND u.phase = p.phase
