-- How long each tenant of each run that counts was watched in each phase: what rates are divided by, and whose zeros count
-- when a lock was not taken in a repetition.
--
-- workloads          what ran side by side, joined by `+`; `workload`: what this tenant ran
-- tenants            tenants of the run with that workload
-- others             tenants of the run besides this one
-- seconds            length of the phase
-- incomplete         1 when the trace lost something, else 0
SELECT
  m.run, r.platform, r.workloads, r.repetition, r.level, m.workload, m.workload_group, m.stressor, p.phase,
  count(*) AS tenants,
  max(a.tenants) - 1 AS others,
  max(p.length_ns) / 1e9 AS seconds,
  max(CASE WHEN r.complete THEN 0 ELSE 1 END) AS incomplete
FROM members AS m
JOIN runs AS r ON r.run = m.run AND r.counted
JOIN (SELECT run, count(*) AS tenants FROM members GROUP BY run) AS a ON a.run = m.run
JOIN (
  SELECT run, 'cold' AS phase, cold_ns AS length_ns FROM runs
  UNION ALL
  SELECT run, 'warm', warm_ns FROM runs
) AS p ON p.run = m.run AND p.length_ns > 0
GROUP BY
  m.run, r.platform, r.workloads, r.repetition, r.level, m.workload, m.workload_group, m.stressor, p.phase
