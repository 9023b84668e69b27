-- What every lock is called, and how many tenants acquire it. A lock that is acquired at several sites may go by several
-- objects; it is named after the one at which it is acquired most often.
SELECT
  lock, life, lock_type,
  first_value(object ORDER BY acquisitions DESC, object) AS object,
  first_value(method ORDER BY acquisitions DESC, object) AS method,
  count(DISTINCT tenant) AS users
FROM acquired
GROUP BY lock, life, lock_type
