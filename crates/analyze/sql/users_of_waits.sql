-- Who waited for which lock, or held it meanwhile; and who acquired it, where that was counted (`counted`) and there was but
-- one lock at the address. A wait does not know which one it was for.
SELECT u.lock, CAST(0 AS INTEGER UNSIGNED) AS life, COALESCE(i.name, '') AS found, u.tenant, max(u.counted) AS counted
FROM (
  SELECT lock, time_ns, waiter_tenant AS tenant, 0 AS counted FROM totals
  UNION ALL
  SELECT lock, time_ns, holder_tenant, 0 FROM totals
  UNION ALL
  SELECT a.lock, a.time_ns, a.tenant, 1
  FROM acquisitions AS a
  JOIN (SELECT lock FROM acquisitions GROUP BY lock HAVING count(DISTINCT life) = 1) AS alone ON alone.lock = a.lock
  WHERE a.acquisitions > 0
) AS u
LEFT JOIN spans AS i ON i.lock = u.lock AND i.life = 0
  AND u.time_ns >= i.begin_ns AND (i.end_ns IS NULL OR u.time_ns < i.end_ns)
GROUP BY u.lock, COALESCE(i.name, ''), u.tenant
