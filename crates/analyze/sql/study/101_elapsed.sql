-- The sanity check of the method: how much longer the same work takes while it is traced.
--
-- tenant workload      of a whole run: the workload is `(all)`
-- runs                 runs with both times; traced_ns_median, untraced_ns_median
-- slowdown_median      traced divided by untraced, median over the runs; least and most
WITH timed AS (
  SELECT run, platform, workloads, '(all)' AS workload, elapsed_traced_ns AS traced, elapsed_untraced_ns AS untraced
  FROM runs
  WHERE counted
  UNION ALL
  SELECT r.run, r.platform, r.workloads, m.workload, m.elapsed_traced_ns, m.elapsed_untraced_ns
  FROM runs AS r
  JOIN members AS m ON m.run = r.run
  WHERE r.counted
)
SELECT
  platform, workloads, workload,
  count(*) AS runs,
  median(CAST(traced AS DOUBLE)) AS traced_ns_median,
  median(CAST(untraced AS DOUBLE)) AS untraced_ns_median,
  median(CAST(traced AS DOUBLE) / CAST(untraced AS DOUBLE)) AS slowdown_median,
  min(CAST(traced AS DOUBLE) / CAST(untraced AS DOUBLE)) AS slowdown_least,
  max(CAST(traced AS DOUBLE) / CAST(untraced AS DOUBLE)) AS slowdown_most
FROM timed
WHERE traced > 0 AND untraced > 0
GROUP BY platform, workloads, workload
ORDER BY workloads, workload, platform
