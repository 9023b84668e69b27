-- The magnitude of locks: how many classes are taken how often, by powers of ten.
--
-- from_per_s           the rates of this row: from here to ten times that; 0: below one a second
-- classes              classes of locks of all workloads on this platform with such a rate (table hot)
-- rate_per_s, share    their rates added up, and as a share of all
SELECT
  phase, platform, from_per_s,
  count(*) AS classes,
  sum(rate_per_s) AS rate_per_s,
  sum(share) AS share,
  first_value(object ORDER BY rate_per_s DESC, object) AS main_object,
  max(runs) AS runs
FROM (
  SELECT
    phase, platform, object, rate_per_s, share, runs,
    CASE
      WHEN rate_per_s >= 1000000 THEN 1000000
      WHEN rate_per_s >= 100000 THEN 100000
      WHEN rate_per_s >= 10000 THEN 10000
      WHEN rate_per_s >= 1000 THEN 1000
      WHEN rate_per_s >= 100 THEN 100
      WHEN rate_per_s >= 10 THEN 10
      WHEN rate_per_s >= 1 THEN 1
      ELSE 0
    END AS from_per_s
  FROM hot
) AS placed
GROUP BY phase, platform, from_per_s
ORDER BY phase, platform, from_per_s DESC
