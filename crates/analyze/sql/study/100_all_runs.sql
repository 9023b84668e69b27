-- Every run of the study, those that do not count among them.
--
-- status               done, failed, hung, skipped, cut (it has no result), or missing (it was planned and not run)
-- counted              whether the tables are made from it; reason: why not, or what went wrong
-- complete             whether its trace lost nothing; lost: how many losses were counted in it
-- cold_ns, warm_ns     lengths of the phases, nanoseconds
SELECT
  run, platform, workloads, repetition, status, counted, reason, level, complete, lost, cold_ns, warm_ns,
  kernel_build_id, started
FROM runs
ORDER BY platform, workloads, repetition, run
