-- What potential.sql reads from: which tenant acquired which lock how often, of locks that several tenants acquire.
SELECT
  l.lock, l.life, l.lock_type, l.tenant, n.object, n.method, l.acquisitions, l.hold_ns_total
FROM (
  SELECT lock, life, lock_type, tenant, sum(acquisitions) AS acquisitions, sum(hold_ns_total) AS hold_ns_total
  FROM acquired
  GROUP BY lock, life, lock_type, tenant
  HAVING sum(acquisitions) > 0
) AS l
JOIN named_locks AS n ON n.lock = l.lock AND n.life = l.life AND n.lock_type = l.lock_type AND n.users > 1
