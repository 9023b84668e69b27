-- The draws of the bootstrap: for each number of values that occurs (`n`, up to 40), 1,000 samples (`b`) of n draws (`i`), each
-- the number of a value from 1 to n (`k`). They are made by squaring modulo the prime 2^31 - 1, three times, from
-- the number of the draw and a seed: the same study gives the same intervals, in every engine.
WITH digits AS (
  SELECT * FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS t(d)
),
thousand AS (
  SELECT CAST(a.d + 10 * b.d + 100 * c.d AS BIGINT) AS b FROM digits AS a CROSS JOIN digits AS b CROSS JOIN digits AS c
),
sizes AS (
  SELECT DISTINCT n FROM (
    SELECT count(DISTINCT run) AS n FROM run_phases GROUP BY platform, workloads, workload, phase
    UNION ALL
    SELECT count(DISTINCT workloads) AS n FROM run_phases GROUP BY platform, phase
  ) AS counted
  WHERE n BETWEEN 1 AND 40
),
seeds AS (
  SELECT s.n, t.b, i.b + 1 AS i, (s.n * 1000003 + t.b * 8191 + i.b * 131071 + 20250728) % 2147483647 AS x
  FROM sizes AS s
  CROSS JOIN thousand AS t
  JOIN thousand AS i ON i.b < s.n
),
once AS (SELECT n, b, i, x, (x * x + 48271) % 2147483647 AS y FROM seeds),
twice AS (SELECT n, b, i, x, (y * y + x) % 2147483647 AS y FROM once),
thrice AS (SELECT n, b, i, (y * y + x + 69621) % 2147483647 AS y FROM twice)
SELECT n, b, i, y % n + 1 AS k FROM thrice
