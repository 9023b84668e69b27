//! A workload as a script that a tenant runs, whatever the platform.

use super::Workload;
use std::fmt::Write as _;

/// Where a tenant works.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder, as the tenant sees it.
    pub work: String,
    /// A port of its own.
    pub port: u16,
    /// How much of the fixed amount of work is done, in per cent.
    pub percent: u32,
}

const INSIDE: &str = include_str!("inside.sh");

/// The script. It tells by lines that begin with [`TELLS`] how far it is, and takes orders: `warm SECONDS`, `work`, `end`.
pub fn script(workload: &Workload, place: &Place) -> String {
    let mut text = String::from("#!/bin/sh\n");
    let _ = writeln!(text, "export WORK='{}' PORT={} HOME='{0}'", place.work.replace('\'', "'\\''"), place.port);
    let _ = writeln!(text, "amount() {{ echo $(($1 * {0} / 100 > 0 ? $1 * {0} / 100 : 1)); }}", place.percent);
    text.push_str("export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C\n");
    let parts = [
        ("setup", &workload.setup),
        ("server", &workload.server),
        ("ready", &workload.ready),
        ("work", &workload.work),
        ("steady", &workload.steady),
    ];
    for (name, commands) in parts {
        let there = if commands.is_some() { "yes" } else { "" };
        let commands = commands.as_deref().unwrap_or(":").trim();
        // In a shell of its own, so that an error ends it and `exec` and `cd` do not reach further.
        let _ = writeln!(text, "has_{name}={there}\n{name}() (\n\tset -e\n{commands}\n)");
    }
    text.push_str(INSIDE);
    text
}

/// What a line begins with by which a tenant tells how far it is.
pub const TELLS: &str = "lima-study ";

#[cfg(test)]
mod tests {
    use super::super::Catalogue;
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_scripts_are_shell() {
        for workload in Catalogue::built_in().unwrap().iter() {
            let text = script(workload, &Place { work: "/tmp/it's".into(), port: 1, percent: 100 });
            let mut shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            assert!(shell.wait().unwrap().success(), "{}", workload.name);
        }
    }

    #[test]
    fn orders_are_carried_out_and_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let workload = Workload {
            setup: Some("echo made >made".into()),
            server: Some("touch up; exec sleep 60".into()),
            ready: Some("[ -e up ]".into()),
            work: Some("cat made; amount 50 >>rounds; amount 1 >>rounds; [ ! -e broken ]".into()),
            steady: Some("echo \"$TIME\" >time; touch broken".into()),
            ..Workload::default()
        };
        let work = folder.path().join("work");
        let file = folder.path().join("script");
        std::fs::write(&file, script(&workload, &Place { work: work.display().to_string(), port: 1, percent: 10 }))
            .unwrap();
        let mut shell = Command::new("sh");
        shell.arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().unwrap();
        shell.stdin.take().unwrap().write_all(b"work\nwarm 7\nwork\nend\n").unwrap();
        let output = shell.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "lima-study ready\nlima-study done\nlima-study done\nlima-study failed it ended with status 1\n\
             lima-study over\n"
        );
        assert_eq!(std::fs::read_to_string(work.join("time")).unwrap(), "7\n");
        assert_eq!(std::fs::read_to_string(work.join("rounds")).unwrap(), "5\n1\n5\n1\n");
    }
}
