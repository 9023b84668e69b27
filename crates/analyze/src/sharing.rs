//! Which tenants share a lock.

use crate::analysis::Analysis;
use crate::filter::Source;
use crate::report::By;
use crate::statement;
use anyhow::Result;

/// The sums over a group that tell how it is shared.
const OF_OBJECT: &str = "count(DISTINCT CASE WHEN tenants_count > 1 THEN /*lock*/ lock /*end*/ END) AS shared_locks,";
const OF_INSTANCE: &str = "first_value(tenants) AS tenants, first_value(sharing) AS sharing, \
    last_value(path ORDER BY time_ns) FILTER (WHERE path IS NOT NULL) AS path,";
/// A lock of the acquisitions: the same address with another life is another one.
const WITH_LIFE: &str = "CAST(lock AS VARCHAR) || '#' || CAST(life AS VARCHAR)";

impl Analysis {
    /// Puts who shares which lock into a statement that sums rows up, where what it sums up by asks for it: joins the rows
    /// with it, and adds the sums.
    pub(crate) fn with_sharing(&self, by: By, source: Source, sql: &str) -> Result<String> {
        let sums = match by {
            By::Object => OF_OBJECT,
            By::Instance => OF_INSTANCE,
            _ => return Ok(statement::with(sql, "/*sharing*/", "")),
        };
        let acquired = source == Source::Acquisitions;
        let users = match acquired {
            true => include_str!("../sql/users_of_acquisitions.sql"),
            false => include_str!("../sql/users_of_waits.sql"),
        };
        // From all rows: what a filter leaves out shares the lock all the same.
        self.engine.name("users", self.engine.prepare(users)?)?;
        self.engine.keep("sharing", include_str!("../sql/sharing.sql"))?;
        let (rows, life, sums) = match acquired {
            true => ("acquired", "h.life = w.life", statement::with(sums, "/*lock*/", WITH_LIFE)),
            false => ("waits", "h.life = 0", statement::with(sums, "/*lock*/", "lock")),
        };
        let joined = format!(
            "(SELECT w.*, h.tenants_count, h.tenants, h.sharing FROM {rows} AS w \
             LEFT JOIN sharing AS h ON h.lock = w.lock AND {life} AND h.found = w.found) AS with_sharing"
        );
        Ok(statement::with(&statement::with(sql, "/*sharing*/", &sums), "/*rows*/", &joined))
    }
}
