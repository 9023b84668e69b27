-- The sources that LIMA's paper names as the most common ones, the journal of the file system and the page allocator: where
-- they stand in this study (table objects_ranked).
--
-- source               journal or page_allocator
-- best_place           of its best class among all classes of the platform and phase; missing: none of its locks is shared
-- best_object          that class
-- potential_per_s, share   all its classes together; missing where no acquisitions were traced
-- of_classes           how many classes are shared at all
WITH sources AS (
  SELECT * FROM (VALUES
    ('journal', 'journal_%'), ('journal', 'transaction_%'), ('journal', 'jbd2%'), ('journal', 'ext4_journal%'),
    ('journal', 'ext4_fc%'), ('journal', 'xlog%'), ('journal', 'xfs_log%'), ('journal', 'btrfs_trans%'),
    ('page_allocator', 'zone.%'), ('page_allocator', 'per_cpu_pages.%'), ('page_allocator', 'free_area%'),
    ('page_allocator', 'pcp_batch_high_lock%'), ('page_allocator', 'pglist_data.%')
  ) AS t(source, pattern)
),
matched AS (
  SELECT DISTINCT o.phase, o.platform, s.source, o.object, o.lock_type, o.place, o.potential_per_s, o.share
  FROM objects_ranked AS o
  JOIN sources AS s ON o.object LIKE s.pattern
  WHERE o.potential_per_s > 0
)
SELECT
  w.phase, w.platform, n.source,
  min(m.place) AS best_place,
  first_value(m.object ORDER BY m.place) AS best_object,
  CASE WHEN max(w.most) IS NOT NULL THEN COALESCE(sum(m.potential_per_s), 0.0) END AS potential_per_s,
  CASE WHEN max(w.most) IS NOT NULL THEN COALESCE(sum(m.share), 0.0) END AS share,
  CASE WHEN max(w.most) IS NOT NULL THEN max(w.of_classes) END AS of_classes,
  max(w.runs) AS runs
FROM (
  SELECT phase, platform, CAST(sum(CASE WHEN potential_per_s > 0 THEN 1 ELSE 0 END) AS BIGINT) AS of_classes,
    max(potential_per_s) AS most, max(runs) AS runs
  FROM objects_ranked
  GROUP BY phase, platform
) AS w
CROSS JOIN (SELECT DISTINCT source FROM sources) AS n
LEFT JOIN matched AS m ON m.phase = w.phase AND m.platform = w.platform AND m.source = n.source
GROUP BY w.phase, w.platform, n.source
ORDER BY w.phase, w.platform, n.source
