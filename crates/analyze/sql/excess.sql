-- Time for which holders are blamed beyond the time waited. A recorder that counts right leaves nothing here.
SELECT sum(excess_ns) AS excess_ns
FROM (
  SELECT
    CASE
      WHEN sum(held_ns_total + free_ns_total + unknown_ns_total) > sum(wait_ns_total)
        THEN sum(held_ns_total + free_ns_total + unknown_ns_total) - sum(wait_ns_total)
    END AS excess_ns
  FROM blame
  GROUP BY object, method, lock_type, waiter_tenant
) AS groups_of_waits
