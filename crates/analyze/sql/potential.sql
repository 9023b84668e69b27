-- Potential interference: how often a tenant acquires locks that another tenant acquires as well, and for how long it
-- holds them, while that one could come and wait. LIMA's measure of isolation; whether somebody did wait is not asked.
SELECT
  mine.object AS object, mine.method AS method, mine.lock_type AS lock_type,
  mine.tenant AS holder_tenant,
  other.tenant AS other_tenant,
  count(*) AS locks,
  -- How many the object has in all, shared or not.
  max(whole.locks) AS object_locks,
  sum(mine.acquisitions) AS acquisitions,
  sum(mine.hold_ns_total) AS hold_ns_total
FROM by_lock AS mine
JOIN by_lock AS other ON mine.lock = other.lock AND mine.life = other.life AND mine.lock_type = other.lock_type
  AND mine.tenant <> other.tenant
JOIN (
  SELECT object, method, lock_type, count(*) AS locks FROM named_locks GROUP BY object, method, lock_type
) AS whole ON whole.object = mine.object AND whole.method = mine.method AND whole.lock_type = mine.lock_type
GROUP BY mine.object, mine.method, mine.lock_type, mine.tenant, other.tenant
