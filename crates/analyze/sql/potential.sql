-- Potential interference: how often a tenant acquires locks that another tenant acquires as well, and for how long it
-- holds them, while that one could come and wait. LIMA's measure of isolation; whether somebody did wait is not asked.
SELECT
  mine.object AS object, mine.method AS method, mine.lock_type AS lock_type,
  mine.tenant AS holder_tenant,
  other.tenant AS other_tenant,
  count(*) AS locks,
  sum(mine.acquisitions) AS acquisitions,
  sum(mine.hold_ns_total) AS hold_ns_total
FROM by_lock AS mine
JOIN by_lock AS other ON mine.lock = other.lock AND mine.life = other.life AND mine.lock_type = other.lock_type
  AND mine.tenant <> other.tenant
GROUP BY mine.object, mine.method, mine.lock_type, mine.tenant, other.tenant
