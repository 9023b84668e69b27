-- Combined, of one trace: what each tenant, its helpers included, did with which lock in a phase, and with how many other
-- tenants it has it in common. One lock is the same address, life and type, in the same kernel object where that was read,
-- protecting the same object. It is not kept: the tables by class are made from it, trace by trace.
--
-- users                tenants of the run that acquire the lock in this phase
SELECT
  run, phase, tenant, workload, lock, life, found, lock_type, object, subsystem, method,
  acquisitions, waits, wait_ns, holds, hold_ns,
  count(*) OVER (PARTITION BY phase, lock, life, lock_type, found, object) AS users
FROM (
  SELECT
    run, phase, tenant, workload, lock, life, found, lock_type, object,
    min(subsystem) AS subsystem, min(method) AS method,
    sum(acquisitions) AS acquisitions, sum(waits) AS waits, sum(wait_ns) AS wait_ns,
    sum(holds) AS holds, sum(hold_ns) AS hold_ns
  FROM uses
  WHERE (role = 'tenant' OR role = 'helper') AND (phase = 'cold' OR phase = 'warm')
  GROUP BY run, phase, tenant, workload, lock, life, found, lock_type, object
) AS of_tenants
