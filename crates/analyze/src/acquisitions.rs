//! Acquisitions and holds summed up, and potential interference.

use crate::analysis::Analysis;
use crate::filter::{Filter, Source};
use crate::report::{By, INSTANCE, OBJECT, OBJECT_AND_LOCKS, Query, Report, cut, sorted_by};
use crate::statement;
use crate::table::{self, Rows};
use anyhow::{Result, bail};
use datafusion::prelude::col;

impl Analysis {
    /// Sums acquisitions and holds up.
    pub(crate) fn holds(&self, query: &Query) -> Result<Report> {
        let keys = match query.by {
            By::Object => ("object, method, lock_type, mode", "locks, shared_locks"),
            By::Instance => ("instance, lock, life, lock_type", INSTANCE),
            By::Lock => ("lock, life, lock_type", OBJECT),
            By::Site => ("site, lock_type, mode", OBJECT_AND_LOCKS),
            By::Tenant => ("tenant", "objects, locks"),
            By::Type => ("lock_type, mode", "objects, locks"),
            By::Time => ("time_ns", "objects, locks"),
            By::Phase => ("phase", "objects, locks"),
            By::Stack => ("stack_id, lock_type, mode", OBJECT_AND_LOCKS),
            By::Task | By::Event => bail!(
                "acquisitions are not known by {}: there are `--by object`, `instance`, `lock`, `site`, `stack`, `tenant`, `type`, `time` \
                 and `phase`",
                query.by.name()
            ),
        };
        self.narrow(Source::Acquisitions, &query.filters)?;
        let statement = statement::with(include_str!("../sql/holds.sql"), "/*keys*/", keys.0);
        let statement = statement::with(&statement, "/*also*/", keys.1);
        let frame = self.engine.prepare(&self.with_sharing(query.by, Source::Acquisitions, &statement)?)?;
        let order = if query.by == By::Time { "time_ns" } else { "acquisitions" };
        let sort = query.sort.clone().unwrap_or_else(|| order.to_owned());
        let frame = sorted_by(frame, &sort, keys.0, query.by)?;
        let schema = frame.schema().as_arrow().clone();
        let mut report = cut(query, sort, &schema, &self.engine.collect(frame)?)?;
        if query.by == By::Stack {
            report.rows = self.with_frames(report.rows);
        }
        Ok(report)
    }

    /// Potential interference: one row for each object and pair of tenants that both acquire some of its locks: `object`,
    /// `method`, `lock_type`, `holder_tenant`, `other_tenant`, `locks` (that both acquire), `object_locks` (that the object has in all), and of the first tenant on
    /// these `acquisitions` and `hold_ns_total`. Most acquisitions first.
    pub(crate) fn potential(&self, filters: &[Filter], tenant: Option<&str>) -> Result<Rows> {
        self.narrow(Source::Acquisitions, filters)?;
        self.engine.keep("named_locks", include_str!("../sql/named_locks.sql"))?;
        self.engine.keep("by_lock", include_str!("../sql/by_lock.sql"))?;
        let mut frame = self.engine.prepare(include_str!("../sql/potential.sql"))?;
        if let Some(tenant) = tenant {
            let condition = |column| self.tenants.condition(column, tenant);
            frame = frame.filter(condition("holder_tenant").or(condition("other_tenant")))?;
        }
        let keys = ["object", "method", "lock_type", "holder_tenant", "other_tenant"];
        let order =
            std::iter::once(col("acquisitions").sort(false, false)).chain(keys.map(|key| col(key).sort(true, false)));
        let frame = frame.sort(order.collect())?;
        let schema = frame.schema().as_arrow().clone();
        table::rows(&schema, &self.engine.collect(frame)?, usize::MAX)
    }
}
