-- Which object a lock lies in, from when until when: what was read at the end of a time bucket holds from its start, and
-- the first that was read also for what was before.
SELECT
  lock, life, name, path,
  CASE WHEN row_number() OVER (PARTITION BY lock, life ORDER BY time_ns) = 1 THEN time_ns - time_ns ELSE time_ns END AS begin_ns,
  lead(time_ns) OVER (PARTITION BY lock, life ORDER BY time_ns) AS end_ns
FROM instances
