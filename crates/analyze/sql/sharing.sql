-- Which tenants share a lock. What the kernel does for nobody, and what it is not known for whom, makes no lock shared. Where
-- acquisitions are not counted, a lock may have users who never had to wait, and an acquisition whose tenant is not known may be
-- another's: one tenant is `seen` then, and not known to be alone.
SELECT
  u.lock, u.life, u.found,
  count(n.name) AS tenants_count,
  array_agg(n.name ORDER BY n.name) FILTER (WHERE n.name IS NOT NULL) AS tenants,
  CASE
    WHEN count(n.name) > 1 THEN 'shared'
    WHEN count(n.name) = 1 AND max(u.counted) = 1 AND NOT bool_or(u.tenant = 0 AND u.counted = 1) THEN 'private'
    WHEN count(n.name) = 1 THEN 'seen'
    WHEN max(u.tenant) = 2 THEN 'kernel'
    ELSE 'unknown'
  END AS sharing
FROM users AS u
LEFT JOIN (
  SELECT tenant, COALESCE(name, 'tenant #' || CAST(tenant AS VARCHAR)) AS name FROM tenant_names WHERE tenant > 2
) AS n ON n.tenant = u.tenant
GROUP BY u.lock, u.life, u.found
