-- How much a workload's rate depends on the platform.
--
-- platforms            on how many it was measured
-- least_platform, least_per_s, most_platform, most_per_s   the platforms with the lowest and the highest median rate
-- factor               the highest divided by the lowest
-- variation            standard deviation over the platforms, divided by the mean
-- beyond_noise         the interval of the highest lies above that of the lowest: the difference is more than repetitions make
SELECT
  phase, workloads, workload,
  count(*) AS platforms,
  first_value(platform ORDER BY rate_median_per_s, platform) AS least_platform,
  min(rate_median_per_s) AS least_per_s,
  first_value(platform ORDER BY rate_median_per_s DESC, platform) AS most_platform,
  max(rate_median_per_s) AS most_per_s,
  max(rate_median_per_s) / NULLIF(min(rate_median_per_s), 0) AS factor,
  stddev_samp(rate_median_per_s) / NULLIF(avg(rate_median_per_s), 0) AS variation,
  first_value(rate_low_per_s ORDER BY rate_median_per_s DESC, platform)
    > first_value(rate_high_per_s ORDER BY rate_median_per_s, platform) AS beyond_noise,
  CAST(sum(runs) AS BIGINT) AS runs
FROM rates
GROUP BY phase, workloads, workload
ORDER BY phase, factor DESC, workloads, workload
