-- What potential.sql reads from: which tenant acquired which lock how often. A lock that is acquired at several sites may
-- go by several objects; it is named after the one at which it is acquired most often.
SELECT
  l.lock, l.life, l.lock_type, l.tenant, n.object, n.method, l.acquisitions, l.hold_ns_total
FROM (
  SELECT lock, life, lock_type, tenant, sum(acquisitions) AS acquisitions, sum(hold_ns_total) AS hold_ns_total
  FROM acquired
  GROUP BY lock, life, lock_type, tenant
  HAVING sum(acquisitions) > 0
) AS l
JOIN (
  SELECT
    lock, life, lock_type,
    first_value(object ORDER BY acquisitions DESC, object) AS object,
    first_value(method ORDER BY acquisitions DESC, object) AS method
  FROM acquired
  GROUP BY lock, life, lock_type
  HAVING count(DISTINCT tenant) > 1
) AS n ON n.lock = l.lock AND n.life = l.life AND n.lock_type = l.lock_type
