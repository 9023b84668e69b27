-- What the other two statements on interference read from: the waits summed up as far as they need to be told apart.
SELECT
  object, method, lock_type, waiter_tenant, holder_tenant, holder_method,
  sum(waits) AS waits,
  sum(wait_ns_total) AS wait_ns_total,
  sum(held_ns_total) AS held_ns_total,
  sum(free_ns_total) AS free_ns_total,
  sum(unknown_ns_total) AS unknown_ns_total
FROM waits
GROUP BY object, method, lock_type, waiter_tenant, holder_tenant, holder_method
