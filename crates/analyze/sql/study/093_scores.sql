-- The score of each platform, in each phase.
--
-- groups               groups of workloads that were run side by side and have a score; runs: of all of them
-- score                median of the groups' scores (table pairs): the share of a tenant's acquisitions that are of locks
--                      which no other tenant acquires. Between 0 (shares every lock) and 1 (shares none).
-- score_low, score_high   interval of the median over the groups: bootstrap, percentiles 2.5 and 97.5 of 1,000 samples. With up to
--                      five groups it is no narrower than from the least to the most.
-- score_least, score_most   over the groups, and least_workloads: the group with the least
-- shared_per_s, met_share, observed_ns_per_s   medians over the groups
WITH ranked AS (
  SELECT
    platform, phase, score,
    row_number() OVER (PARTITION BY platform, phase ORDER BY score, workloads) AS k,
    count(*) OVER (PARTITION BY platform, phase) AS n
  FROM pairs
  WHERE score IS NOT NULL
),
medians AS (
  SELECT r.platform, r.phase, d.b, median(r.score) AS middle
  FROM ranked AS r
  JOIN draws AS d ON d.n = r.n AND d.k = r.k
  GROUP BY r.platform, r.phase, d.b
),
ordered AS (
  SELECT platform, phase, middle, row_number() OVER (PARTITION BY platform, phase ORDER BY middle) AS place
  FROM medians
),
intervals AS (
  SELECT
    platform, phase,
    max(CASE WHEN place = 25 THEN middle END) AS low,
    max(CASE WHEN place = 975 THEN middle END) AS high
  FROM ordered
  GROUP BY platform, phase
)
SELECT
  p.phase, p.platform,
  count(p.score) AS groups,
  CAST(sum(p.runs) AS BIGINT) AS runs,
  CAST(sum(p.incomplete) AS BIGINT) AS incomplete,
  median(p.score) AS score,
  max(i.low) AS score_low,
  max(i.high) AS score_high,
  min(p.score) AS score_least,
  max(p.score) AS score_most,
  first_value(p.workloads ORDER BY p.score, p.workloads) AS least_workloads,
  median(p.shared_per_s) AS shared_per_s,
  median(p.met_share) AS met_share,
  median(p.observed_ns_per_s) AS observed_ns_per_s
FROM pairs AS p
LEFT JOIN intervals AS i ON i.platform = p.platform AND i.phase = p.phase
GROUP BY p.phase, p.platform
ORDER BY p.phase, score DESC, p.platform
