-- Isolation of each group of workloads on each platform, over the repetitions.
--
-- runs, incomplete     runs that count, and those whose trace lost something
-- score                1 - the share of a tenant's acquisitions that are of locks which another tenant acquires too: mean over the
--                      tenants of a run, median over the runs. 1: nothing in common; 0: everything.
-- score_least, score_most   over the runs
-- class_share          median share if all locks of a class were one: how much more sharing there would be without instances
-- shared_per_s         acquisitions of shared locks per second and tenant, median
-- met_share            median share of acquisitions that would find their lock held by another tenant
-- observed_ns_per_s    nanoseconds that a tenant waited while another tenant held the lock, per second, median
WITH of_run AS (
  SELECT
    platform, workloads, run, phase, max(incomplete) AS incomplete,
    1.0 - avg(instance_share) AS score,
    avg(class_share) AS class_share,
    avg(CAST(instance_acquisitions AS DOUBLE) / seconds) AS shared_per_s,
    avg(met_share) AS met_share
  FROM tenant_shares
  GROUP BY platform, workloads, run, phase
),
waited AS (
  SELECT
    p.platform, p.workloads, p.run, p.phase,
    COALESCE(max(w.ns), 0) / max(p.seconds) / CAST(sum(p.tenants) AS DOUBLE) AS observed
  FROM run_phases AS p
  LEFT JOIN (
    SELECT run, phase, CAST(sum(held_ns) AS DOUBLE) AS ns
    FROM waits
    WHERE (waiter_role = 'tenant' OR waiter_role = 'helper') AND (holder_role = 'tenant' OR holder_role = 'helper')
      AND holder <> waiter
    GROUP BY run, phase
  ) AS w ON w.run = p.run AND w.phase = p.phase
  WHERE p.others > 0
  GROUP BY p.platform, p.workloads, p.run, p.phase
)
SELECT
  w.platform, w.workloads, w.phase,
  count(*) AS runs,
  count(o.score) AS score_runs,
  COALESCE(CAST(sum(o.incomplete) AS BIGINT), 0) AS incomplete,
  median(o.score) AS score,
  min(o.score) AS score_least,
  max(o.score) AS score_most,
  median(o.class_share) AS class_share,
  median(o.shared_per_s) AS shared_per_s,
  median(o.met_share) AS met_share,
  median(w.observed) AS observed_ns_per_s
FROM waited AS w
LEFT JOIN of_run AS o ON o.run = w.run AND o.phase = w.phase
GROUP BY w.platform, w.workloads, w.phase
ORDER BY w.phase, w.workloads, w.platform
