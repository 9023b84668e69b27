-- Classes of locks across platforms: on how many each is taken.
--
-- platforms           where, by name; `platforms_with`: how many, `of_platforms`: that were measured in this phase
-- common              taken on all of them, of several
-- hot_on              on how many it is hot
-- rate_per_s          sum over the platforms; rate_least_per_s, rate_most_per_s: over those that take it
SELECT
  h.phase, h.object, h.lock_type,
  first_value(h.subsystem ORDER BY h.rate_per_s DESC, h.subsystem) AS subsystem,
  string_agg(DISTINCT h.platform, ' ' ORDER BY h.platform) AS platforms,
  count(*) AS platforms_with,
  max(o.of_platforms) AS of_platforms,
  count(*) = max(o.of_platforms) AND max(o.of_platforms) > 1 AS common,
  CAST(sum(CASE WHEN h.hot THEN 1 ELSE 0 END) AS BIGINT) AS hot_on,
  sum(h.rate_per_s) AS rate_per_s,
  min(h.rate_per_s) AS rate_least_per_s,
  max(h.rate_per_s) AS rate_most_per_s,
  CAST(sum(h.runs) AS BIGINT) AS runs
FROM hot AS h
JOIN (SELECT phase, count(DISTINCT platform) AS of_platforms FROM hot GROUP BY phase) AS o ON o.phase = h.phase
GROUP BY h.phase, h.object, h.lock_type
ORDER BY h.phase, platforms_with DESC, rate_per_s DESC, h.object, h.lock_type
