-- Acquisitions and holds summed up. As it stands this is the report by object; see README.md for the marks.
SELECT
  /*keys*/ object, method, lock_type, mode /*end*/,
  /*also*/ locks /*end*/,
  acquisitions,
  -- Of a sample that takes one in w: a count of c is sqrt(c * (w - 1)) off, one standard deviation.
  CAST(round(sqrt(variance)) AS BIGINT UNSIGNED) AS acquisitions_error,
  failed,
  waits,
  wait_ns_total,
  wait_ns_min,
  CASE WHEN waits > 0 THEN wait_ns_total / waits END AS wait_ns_avg,
  wait_ns_max,
  octave_quantile(wait_histogram, 0.5, wait_ns_min, wait_ns_max) AS wait_ns_p50,
  octave_quantile(wait_histogram, 0.9, wait_ns_min, wait_ns_max) AS wait_ns_p90,
  octave_quantile(wait_histogram, 0.99, wait_ns_min, wait_ns_max) AS wait_ns_p99,
  octave_quantile(wait_histogram, 0.999, wait_ns_min, wait_ns_max) AS wait_ns_p999,
  -- Of the longest wait.
  wait_max_tid,
  wait_max_site,
  wait_max_end_ns,
  holds,
  hold_ns_total,
  hold_ns_min,
  CASE WHEN holds > 0 THEN hold_ns_total / holds END AS hold_ns_avg,
  hold_ns_max,
  octave_quantile(hold_histogram, 0.5, hold_ns_min, hold_ns_max) AS hold_ns_p50,
  octave_quantile(hold_histogram, 0.9, hold_ns_min, hold_ns_max) AS hold_ns_p90,
  octave_quantile(hold_histogram, 0.99, hold_ns_min, hold_ns_max) AS hold_ns_p99,
  octave_quantile(hold_histogram, 0.999, hold_ns_min, hold_ns_max) AS hold_ns_p999,
  -- Of the longest hold: where the lock was acquired.
  hold_max_tid,
  hold_max_site,
  hold_max_end_ns,
  cross_cpu,
  cross_cpu_waits,
  cross_node,
  mode_changes,
  longest_run
FROM (
  SELECT
    /*keys*/ object, method, lock_type, mode /*end*/,
    -- Of groups that may span several objects: the one that is acquired most often, and how many there are.
    first_value(object ORDER BY acquisitions DESC, object) AS main_object,
    first_value(method ORDER BY acquisitions DESC, object) AS main_method,
    count(DISTINCT object) AS objects,
    -- The same address with another life is another lock.
    count(DISTINCT CAST(lock AS VARCHAR) || '#' || CAST(life AS VARCHAR)) AS locks,
    /*sharing*/ /*end*/
    sum(acquisitions) AS acquisitions,
    sum(CAST(acquisitions AS DOUBLE) * (weight - 1)) AS variance,
    sum(failed) AS failed,
    sum(waits) AS waits,
    sum(wait_ns_total) AS wait_ns_total,
    min(CASE WHEN waits > 0 THEN wait_ns_min END) AS wait_ns_min,
    max(wait_ns_max) AS wait_ns_max,
    merge_histograms(wait_octaves, wait_counts) AS wait_histogram,
    first_value(wait_max_tid ORDER BY wait_ns_max DESC, wait_max_end_ns) AS wait_max_tid,
    first_value(CASE WHEN wait_max_tid IS NOT NULL THEN site END ORDER BY wait_ns_max DESC, wait_max_end_ns)
      AS wait_max_site,
    first_value(wait_max_end_ns ORDER BY wait_ns_max DESC, wait_max_end_ns) AS wait_max_end_ns,
    sum(holds) AS holds,
    sum(hold_ns_total) AS hold_ns_total,
    min(CASE WHEN holds > 0 THEN hold_ns_min END) AS hold_ns_min,
    max(hold_ns_max) AS hold_ns_max,
    merge_histograms(hold_octaves, hold_counts) AS hold_histogram,
    first_value(hold_max_tid ORDER BY hold_ns_max DESC, hold_max_end_ns) AS hold_max_tid,
    first_value(CASE WHEN hold_max_tid IS NOT NULL THEN site END ORDER BY hold_ns_max DESC, hold_max_end_ns)
      AS hold_max_site,
    first_value(hold_max_end_ns ORDER BY hold_ns_max DESC, hold_max_end_ns) AS hold_max_end_ns,
    sum(cross_cpu) AS cross_cpu,
    sum(cross_cpu_waits) AS cross_cpu_waits,
    sum(cross_node) AS cross_node,
    sum(mode_changes) AS mode_changes,
    max(longest_run) AS longest_run
  FROM /*rows*/ acquired /*end*/
  GROUP BY /*keys*/ object, method, lock_type, mode /*end*/
) AS sums
