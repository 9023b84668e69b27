//! From what is asked for to the runs that it means.

use super::file::{File, Target};
use lima_model::study::Planned;
use std::time::Duration;

/// All runs in their order. Each is made once before any is made again, so that a study that was cut has seen all.
pub fn plan(study: &File) -> Vec<Planned> {
    let mut runs = Vec::new();
    for repetition in 1..=study.repetitions {
        for group in &study.groups {
            for platform in &study.platforms {
                runs.push(Planned {
                    id: format!("{}.{}.r{repetition}", platform.name(), group.join("+")),
                    platform: platform.name().to_owned(),
                    workloads: group.clone(),
                    repetition,
                });
            }
        }
    }
    runs
}

/// How long a run takes, before any was made: what was seen on the machine that LIMA was written on.
pub fn usual_length(study: &File) -> Duration {
    match study.target {
        Target::Here => study.warm + Duration::from_secs(3),
        Target::Lab(_) => study.warm + Duration::from_secs(110),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_once_before_any_again() {
        let text =
            "name = 'x'\nplatforms = ['host', 'runc']\nworkloads = ['gzip', 'redis']\ntenants = 2\nrepetitions = 2";
        let runs = plan(&File::parse(text).unwrap());
        let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(ids, ["host.gzip+redis.r1", "runc.gzip+redis.r1", "host.gzip+redis.r2", "runc.gzip+redis.r2"]);
        assert_eq!(runs[3].workloads, ["gzip", "redis"]);
    }
}
