-- Acquisitions and holds summed up. As it stands this is the report by object; see README.md for the marks.
SELECT
  /*keys*/ object, method, lock_type, mode /*end*/,
  /*also*/ locks /*end*/,
  acquisitions,
  failed,
  waits,
  wait_ns_total,
  wait_ns_max,
  holds,
  hold_ns_total,
  CASE WHEN holds > 0 THEN hold_ns_total / holds END AS hold_ns_avg,
  hold_ns_max
FROM (
  SELECT
    /*keys*/ object, method, lock_type, mode /*end*/,
    -- Of groups that may span several objects: the one that is acquired most often, and how many there are.
    first_value(object ORDER BY acquisitions DESC, object) AS main_object,
    first_value(method ORDER BY acquisitions DESC, object) AS main_method,
    count(DISTINCT object) AS objects,
    -- The same address with another life is another lock.
    count(DISTINCT CAST(lock AS VARCHAR) || '#' || CAST(life AS VARCHAR)) AS locks,
    sum(acquisitions) AS acquisitions,
    sum(failed) AS failed,
    sum(waits) AS waits,
    sum(wait_ns_total) AS wait_ns_total,
    max(wait_ns_max) AS wait_ns_max,
    sum(holds) AS holds,
    sum(hold_ns_total) AS hold_ns_total,
    max(hold_ns_max) AS hold_ns_max
  FROM acquired
  GROUP BY /*keys*/ object, method, lock_type, mode /*end*/
) AS sums
