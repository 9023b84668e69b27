-- Waits summed up. As it stands this is the report by object; see README.md for the marks.
SELECT
  /*keys*/ object, method, lock_type, mode /*end*/,
  /*also*/ locks /*end*/,
  waits,
  failed_waits,
  wait_ns_total,
  wait_ns_min,
  wait_ns_max,
  CASE WHEN waits > 0 THEN wait_ns_total / waits END AS wait_ns_avg,
  wait_quantile(histogram, 0.5, wait_ns_min, wait_ns_max) AS wait_ns_p50,
  wait_quantile(histogram, 0.9, wait_ns_min, wait_ns_max) AS wait_ns_p90,
  wait_quantile(histogram, 0.99, wait_ns_min, wait_ns_max) AS wait_ns_p99,
  wait_quantile(histogram, 0.999, wait_ns_min, wait_ns_max) AS wait_ns_p999,
  spin_ns_total,
  sleep_ns_total,
  held_ns_total,
  free_ns_total,
  unknown_ns_total
FROM (
  SELECT
    /*keys*/ object, method, lock_type, mode /*end*/,
    -- Of groups that may span several objects: the one in the row with the longest waits, and how many there are.
    first_value(object ORDER BY wait_ns_total DESC, object) AS main_object,
    first_value(method ORDER BY wait_ns_total DESC, object) AS main_method,
    count(DISTINCT object) AS objects,
    count(DISTINCT lock) AS locks,
    /*sharing*/ /*end*/
    sum(waits) AS waits,
    sum(failed_waits) AS failed_waits,
    sum(wait_ns_total) AS wait_ns_total,
    -- Rows without waits are shares of a second holder; they know no shortest wait.
    min(CASE WHEN waits > 0 THEN wait_ns_min END) AS wait_ns_min,
    max(CASE WHEN waits > 0 THEN wait_ns_max END) AS wait_ns_max,
    merge_histograms(hist_buckets, hist_waits) AS histogram,
    sum(spin_ns_total) AS spin_ns_total,
    sum(sleep_ns_total) AS sleep_ns_total,
    sum(held_ns_total) AS held_ns_total,
    sum(free_ns_total) AS free_ns_total,
    sum(unknown_ns_total) AS unknown_ns_total
  FROM /*rows*/ waits /*end*/
  GROUP BY /*keys*/ object, method, lock_type, mode /*end*/
) AS sums
