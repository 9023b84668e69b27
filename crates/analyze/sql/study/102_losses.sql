-- What the traces of the runs that count lost, by cause.
--
-- count                as the recorder counted it (names that end in `_ns`: nanoseconds)
-- of_acquisitions      the count divided by the acquisitions of the tenants; of counts of nanoseconds missing
SELECT
  l.run, r.platform, r.workloads, r.repetition, l.cause, l.count, l.meaning,
  CASE WHEN l.cause NOT LIKE '%ns' THEN
    CAST(l.count AS DOUBLE) / CAST(NULLIF(a.acquisitions, 0) AS DOUBLE)
  END AS of_acquisitions
FROM lost AS l
JOIN runs AS r ON r.run = l.run AND r.counted
LEFT JOIN (SELECT run, sum(acquisitions) AS acquisitions FROM combined GROUP BY run) AS a ON a.run = l.run
ORDER BY l.run, l.count DESC, l.cause
