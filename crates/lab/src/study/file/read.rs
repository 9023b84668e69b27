//! Reading and checking: every mistake with its line, and what is possible instead.

use super::{File, Isolation, Lab, Level, Root, Target};
use crate::study::platform::Platform;
use crate::study::workload::{Catalogue, Workload};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// The longest times that make sense.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A list of names, all with their places in the text.
type Names = Spanned<Vec<Spanned<String>>>;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    #[serde(default)]
    target: Option<Spanned<String>>,
    #[serde(default)]
    level: Level,
    platforms: Names,
    #[serde(default)]
    workloads: Option<Names>,
    #[serde(default)]
    tenants: Option<Spanned<usize>>,
    #[serde(default)]
    groups: Option<Spanned<Vec<Names>>>,
    #[serde(default)]
    repetitions: Option<Spanned<u32>>,
    #[serde(default)]
    warm: Option<Spanned<String>>,
    #[serde(default)]
    work_percent: Option<Spanned<u32>>,
    #[serde(default)]
    timeout: Option<Spanned<String>>,
    #[serde(default)]
    root: Option<Root>,
    #[serde(default)]
    isolation: Vec<Isolation>,
    #[serde(default)]
    lab: Lab,
    #[serde(default)]
    workload: Vec<Spanned<Workload>>,
}

impl File {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or asks for what there is not; the line is named.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no study", path.display()))
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// When it asks for what there is not.
    pub fn parse(text: &str) -> Result<Self> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(String::new(), |span| format!("line {}: ", line(text, span.start)));
            anyhow::anyhow!("{line}{}", error.message().trim())
        })?;
        let at = Lines(text);
        let mut catalogue = Catalogue::built_in()?;
        for workload in written.workload {
            let span = workload.span();
            at.of(span, catalogue.add(workload.into_inner()))?;
        }
        let name = at.of(written.name.span(), name(written.name.as_ref()))?;
        let target = match &written.target {
            Some(text) => at.of(text.span(), target(text.as_ref()))?,
            None => Target::Here,
        };
        let platforms = at.all(&written.platforms, "platforms", |name| {
            Platform::from_name(name).with_context(|| {
                format!("there is no platform {name:?}; there are {}", Platform::ALL.map(Platform::name).join(", "))
            })
        })?;
        let known = |name: &str| {
            ensure!(catalogue.get(name).is_some(), "there is no workload {name:?}{}", near(name, &catalogue));
            Ok(name.to_owned())
        };
        let groups = match (&written.groups, &written.workloads) {
            (Some(groups), None) => {
                if let Some(tenants) = &written.tenants {
                    at.of(
                        tenants.span(),
                        Err(anyhow::anyhow!("`groups` says who runs together; leave `tenants` out")),
                    )?;
                }
                at.of(groups.span(), some(groups.as_ref(), "groups"))?;
                let all = groups.as_ref().iter().map(|group| at.all(group, "group", known));
                all.collect::<Result<Vec<_>>>()?
            }
            (None, Some(workloads)) => {
                let names = at.all(workloads, "workloads", known)?;
                let (tenants, span) = match &written.tenants {
                    Some(tenants) => (*tenants.as_ref(), tenants.span()),
                    None => (1, workloads.span()),
                };
                at.of(span, combinations(&names, tenants))?
            }
            _ => bail!("a study has either `workloads` (and how many `tenants` at once) or `groups` of workloads"),
        };
        let number = match &written.repetitions {
            Some(number) => at.of(number.span(), repetitions(*number.as_ref()))?,
            None => 3,
        };
        let work_percent = match &written.work_percent {
            Some(percent) => at.of(percent.span(), work_percent(*percent.as_ref()))?,
            None => 100,
        };
        let length = |text: &Option<Spanned<String>>, usual: u64| match text {
            Some(text) => at.of(text.span(), time(text.as_ref())),
            None => Ok(Duration::from_secs(usual)),
        };
        let (warm, timeout) = (length(&written.warm, 5)?, length(&written.timeout, 120)?);
        // A guest of the lab sees this machine's files through a slow door; on a disk of its own it has a real file system.
        let usual_root = if target == Target::Here { Root::Machine } else { Root::Debian };
        Ok(Self {
            name,
            target,
            level: written.level,
            platforms,
            groups,
            repetitions: number,
            warm,
            work_percent,
            timeout,
            root: written.root.unwrap_or(usual_root),
            isolation: written.isolation,
            lab: written.lab,
            catalogue,
        })
    }
}

/// Errors with their line.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of<T>(&self, span: std::ops::Range<usize>, result: Result<T>) -> Result<T> {
        result.map_err(|error| anyhow::anyhow!("line {}: {error:#}", line(self.0, span.start)))
    }

    /// A list that is not empty, of which none is twice there.
    fn all<T: PartialEq>(&self, list: &Names, what: &str, mut one: impl FnMut(&str) -> Result<T>) -> Result<Vec<T>> {
        self.of(list.span(), some(list.as_ref(), what))?;
        let mut all = Vec::new();
        for name in list.as_ref() {
            let found = self.of(name.span(), one(name.as_ref()))?;
            if all.contains(&found) {
                self.of(name.span(), Err(anyhow::anyhow!("{:?} is there twice", name.as_ref())))?;
            }
            all.push(found);
        }
        Ok(all)
    }
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

fn some<T>(list: &[T], what: &str) -> Result<()> {
    ensure!(!list.is_empty(), "`{what}` is empty");
    Ok(())
}

fn name(name: &str) -> Result<String> {
    ensure!(
        !name.trim().is_empty() && name.len() <= 100 && !name.contains(char::is_control),
        "the name of a study is one line of text"
    );
    Ok(name.to_owned())
}

fn target(text: &str) -> Result<Target> {
    match text.split_once(':') {
        None if text == "here" => Ok(Target::Here),
        Some(("lab", kernel)) if !kernel.is_empty() => Ok(Target::Lab(kernel.to_owned())),
        _ => bail!("target = {text:?}: there are \"here\" and \"lab:KERNEL\", as in \"lab:6.1\""),
    }
}

fn repetitions(number: u32) -> Result<u32> {
    ensure!((1..=1000).contains(&number), "repetitions = {number}: between 1 and 1000 are possible");
    Ok(number)
}

fn work_percent(percent: u32) -> Result<u32> {
    ensure!((1..=10_000).contains(&percent), "work_percent = {percent}: between 1 and 10000 are possible");
    Ok(percent)
}

/// `500ms`, `5s`, `2m`.
fn time(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => bail!("{text:?}: a time is written 5s, 2m or 1h"),
    };
    let number: f64 = digits.parse().with_context(|| format!("{text:?}: a time is written 5s, 2m or 1h"))?;
    match Duration::try_from_secs_f64(number * unit) {
        Ok(length) if length >= Duration::from_secs(1) && length <= LONGEST => Ok(length),
        _ => bail!("{text:?}: between 1s and 24h are possible"),
    }
}

/// All groups of so many.
fn combinations(names: &[String], size: usize) -> Result<Vec<Vec<String>>> {
    ensure!(size >= 1, "tenants = 0: a run has at least one");
    ensure!(size <= names.len(), "{size} tenants at once need {size} workloads; here are {}", names.len());
    ensure!(size <= 16, "tenants = {size}: at most 16 are possible");
    let mut all = Vec::new();
    let mut chosen: Vec<usize> = (0..size).collect();
    loop {
        ensure!(all.len() < 100_000, "these are more than 100,000 groups; name those you want in `groups`");
        all.push(chosen.iter().map(|&index| names[index].clone()).collect());
        let Some(place) = (0..size).rev().find(|&place| chosen[place] < names.len() - size + place) else {
            return Ok(all);
        };
        chosen[place] += 1;
        for next in place + 1..size {
            chosen[next] = chosen[next - 1] + 1;
        }
    }
}

/// What else there is, the similar first.
fn near(name: &str, catalogue: &Catalogue) -> String {
    let similar = |other: &str| other.contains(name) || name.contains(other) || other.ends_with(&format!("-{name}"));
    let similar: Vec<&str> = catalogue.iter().map(|known| known.name.as_str()).filter(|other| similar(other)).collect();
    let mut text = String::new();
    if !similar.is_empty() {
        let _ = write!(text, "; is it {}?", similar.join(" or "));
    }
    let (stressors, others): (Vec<_>, Vec<_>) = catalogue.iter().partition(|known| known.stressor.is_some());
    let others: Vec<&str> = others.iter().map(|known| known.name.as_str()).collect();
    let stressors: Vec<&str> = stressors.iter().filter_map(|known| known.stressor.as_deref()).collect();
    let _ = write!(text, "; there are {}, and stress-NAME with one of {}", others.join(", "), stressors.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", File::parse(text).unwrap_err())
    }

    #[test]
    fn the_example_is_a_study() {
        let study = File::parse(crate::study::file::EXAMPLE).unwrap();
        assert_eq!(study.target, Target::Here);
        assert!(!study.groups.is_empty());
    }

    #[test]
    fn groups_are_all_combinations() {
        let text = "name = 'x'\nplatforms = ['host']\nworkloads = ['gzip', 'redis', 'nginx']\n";
        let study = File::parse(text).unwrap();
        assert_eq!(study.groups, [["gzip"], ["redis"], ["nginx"]]);
        assert_eq!((study.repetitions, study.warm), (3, Duration::from_secs(5)));
        let study = File::parse(&format!("{text}tenants = 2\n")).unwrap();
        assert_eq!(study.groups, [["gzip", "redis"], ["gzip", "nginx"], ["redis", "nginx"]]);
        let study = File::parse(&format!("{text}tenants = 3\n")).unwrap();
        assert_eq!(study.groups.len(), 1);
    }

    #[test]
    fn errors_name_the_line_and_what_is_possible() {
        let head = "name = 'x'\nplatforms = ['host']\n";
        for (text, expected) in [
            (
                "name = 'x'\nplatforms = ['host',\n 'docker']\nworkloads = ['gzip']",
                "line 3: there is no platform \"docker\"; there are host, runc",
            ),
            (
                &*format!("{head}workloads = ['gzip', 'mutex']"),
                "line 3: there is no workload \"mutex\"; is it stress-mutex?",
            ),
            (&*format!("{head}workloads = ['gzip']\nwrong = 1"), "line 4: unknown field `wrong`, expected one of"),
            (
                &*format!("{head}workloads = ['gzip']\ntenants = 2"),
                "line 4: 2 tenants at once need 2 workloads; here are 1",
            ),
            (&*format!("{head}workloads = ['gzip']\nwarm = '5'"), "line 4: \"5\": a time is written"),
            (&*format!("{head}workloads = ['gzip']\nwarm = '5d'"), "line 4"),
            (&*format!("{head}workloads = ['gzip']\nrepetitions = 0"), "line 4: repetitions = 0"),
            (&*format!("{head}workloads = ['gzip']\nwork_percent = 0"), "line 4: work_percent = 0"),
            (&*format!("{head}workloads = ['gzip', 'gzip']"), "line 3: \"gzip\" is there twice"),
            (&*format!("{head}workloads = []"), "line 3: `workloads` is empty"),
            (&*format!("{head}groups = [['gzip'], []]"), "line 3: `group` is empty"),
            (&*format!("{head}target = 'moon'\nworkloads = ['gzip']"), "line 3: target = \"moon\": there are"),
            (&*format!("{head}level = 'all'\nworkloads = ['gzip']"), "line 3: unknown variant `all`, expected"),
            (
                &*format!("{head}workloads = ['gzip']\n[[workload]]\nname = 'gzip'\nwork = 'true'"),
                "there is a workload gzip already",
            ),
            (head, "either `workloads`"),
            ("platforms = ['host']", "missing field `name`"),
            ("\u{0}", "line 1"),
        ] {
            let found = error(text);
            assert!(found.contains(expected), "{text}\n{found}");
        }
    }

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(time("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(time("1.5m").unwrap(), Duration::from_secs(90));
        for wrong in ["", "s", "0s", "-1s", "1e99h", "NaNs", "5 s?"] {
            assert!(time(wrong).is_err(), "{wrong:?}");
        }
    }
}
