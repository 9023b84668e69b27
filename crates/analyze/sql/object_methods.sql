-- The evidence that decided for most uses of an object's locks: a report has one row for an object, however its locks were
-- found.
SELECT object, first_value(method ORDER BY uses DESC, method) AS method
FROM (SELECT object, method, count(*) AS uses FROM objects GROUP BY object, method) AS counted
GROUP BY object
