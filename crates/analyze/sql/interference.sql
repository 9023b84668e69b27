-- Who made whom wait, through what. The time of each wait is cut into the part that a tenant held the lock, the part
-- that nobody did, and the part of which it is not known; each part goes to a row of its own, so that for each object
-- and waiter the rows add up to the time waited. A wait is counted once: in the row of the holder that the recorder
-- names for it, the one that held the lock longest.
SELECT
  object, method, lock_type, waiter_tenant, holder_tenant,
  string_agg(DISTINCT holder_method, ',' ORDER BY holder_method) AS holder_method,
  sum(waits) AS waits,
  sum(wait_ns) AS wait_ns_total
FROM (
  -- `none` and `unknown` hold no locks: should a recorder have put time there, it goes to them all the same.
  SELECT object, method, lock_type, waiter_tenant, holder_tenant, holder_method, waits, held_ns_total AS wait_ns
  FROM blame
  UNION ALL
  -- (No wait is counted here: `waits - waits` is a zero of the same type in every engine.)
  SELECT object, method, lock_type, waiter_tenant, 'none', NULL, waits - waits, free_ns_total
  FROM blame
  UNION ALL
  SELECT object, method, lock_type, waiter_tenant, 'unknown', NULL, waits - waits, unknown_ns_total
  FROM blame
  UNION ALL
  -- Time that the recorder put to no part at all, because a row with a share was lost, is of unknown holders too.
  SELECT
    object, method, lock_type, waiter_tenant, 'unknown', NULL, sum(waits) - sum(waits),
    CASE
      WHEN sum(wait_ns_total) > sum(held_ns_total + free_ns_total + unknown_ns_total)
        THEN sum(wait_ns_total) - sum(held_ns_total + free_ns_total + unknown_ns_total)
    END
  FROM blame
  GROUP BY object, method, lock_type, waiter_tenant
) AS parts
WHERE waits > 0 OR wait_ns > 0
GROUP BY object, method, lock_type, waiter_tenant, holder_tenant
