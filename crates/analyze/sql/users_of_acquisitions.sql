-- Who acquired which lock, in which object (`found`: as it was read, or nothing). `counted`: not only by waits.
SELECT DISTINCT a.lock, a.life, COALESCE(i.name, '') AS found, a.tenant, 1 AS counted
FROM acquisitions AS a
LEFT JOIN spans AS i ON i.lock = a.lock AND i.life = a.life
  AND a.time_ns >= i.begin_ns AND (i.end_ns IS NULL OR a.time_ns < i.end_ns)
WHERE a.acquisitions > 0
