-- How far the classes of locks of two platforms overlap.
--
-- common, either      classes that both take, and that at least one takes; overlap: common / either (Jaccard's index)
-- hot_common, hot_either, hot_overlap   the same of hot classes
-- rate_share          of the acquisitions of `platform`, those of classes that `other` takes too
SELECT
  phase, platform, other, common, mine + theirs - common AS either,
  CAST(common AS DOUBLE) / NULLIF(mine + theirs - common, 0) AS overlap,
  hot_common, hot_mine + hot_theirs - hot_common AS hot_either,
  CAST(hot_common AS DOUBLE) / NULLIF(hot_mine + hot_theirs - hot_common, 0) AS hot_overlap,
  common_rate / NULLIF(rate, 0) AS rate_share,
  runs
FROM (
  SELECT
    a.phase, a.platform, b.platform AS other,
    a.classes AS mine, b.classes AS theirs, a.hot AS hot_mine, b.hot AS hot_theirs, a.rate, a.runs + b.runs AS runs,
    COALESCE(x.common, 0) AS common, COALESCE(x.hot_common, 0) AS hot_common, COALESCE(x.rate, 0.0) AS common_rate
  FROM (
    SELECT
      phase, platform, count(*) AS classes, CAST(sum(CASE WHEN hot THEN 1 ELSE 0 END) AS BIGINT) AS hot, sum(rate_per_s) AS rate,
      max(runs) AS runs
    FROM hot GROUP BY phase, platform
  ) AS a
  JOIN (
    SELECT phase, platform, count(*) AS classes, CAST(sum(CASE WHEN hot THEN 1 ELSE 0 END) AS BIGINT) AS hot, max(runs) AS runs
    FROM hot GROUP BY phase, platform
  ) AS b ON b.phase = a.phase AND b.platform <> a.platform
  LEFT JOIN (
    SELECT
      p.phase, p.platform, q.platform AS other, count(*) AS common,
      CAST(sum(CASE WHEN p.hot AND q.hot THEN 1 ELSE 0 END) AS BIGINT) AS hot_common, sum(p.rate_per_s) AS rate
    FROM hot AS p
    JOIN hot AS q ON q.phase = p.phase AND q.object = p.object AND q.lock_type = p.lock_type AND q.platform <> p.platform
    GROUP BY p.phase, p.platform, q.platform
  ) AS x ON x.phase = a.phase AND x.platform = a.platform AND x.other = b.platform
) AS counted
ORDER BY phase, platform, other
