//! What is written of a made-up study.

#[path = "../../analyze/tests/made_up/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod made_up;

use lima_analyze::study::Results;
use made_up::{HOST, Made, analyzed};
use std::fs;
use std::path::{Path, PathBuf};

/// What would be run as a formula, a command or markup.
const HOSTILE: &str = "=cmd|'/c calc'!A1 <b>&\\input{x} [x](y) `$\u{1b}[31m";

fn written(results: &Results) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("results");
    lima_report::study::write(results, &place).unwrap();
    (folder, place)
}

fn text(place: &Path, name: &str) -> String {
    fs::read_to_string(place.join(name)).unwrap()
}

#[test]
fn the_findings_of_a_made_up_study() {
    let (_folder, place) = written(&analyzed());
    insta::assert_snapshot!(text(&place, "findings.md"));
}

#[test]
fn every_table_is_written_in_every_form() {
    let results = analyzed();
    let (_folder, place) = written(&results);
    for table in &results.tables {
        let csv = text(&place, &format!("csv/{}.csv", table.name));
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), table.columns());
        assert_eq!(reader.records().map(Result::unwrap).count(), table.len(), "{}", table.name);
        let parquet = fs::read(place.join(format!("parquet/{}.parquet", table.name))).unwrap();
        assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    }
    assert!(fs::read(place.join("tables.xlsx")).unwrap().starts_with(b"PK"));
    let figures =
        ["interference", "observed", "overlap", "scores", "rates", "cold_warm", "subsystems_cold", "subsystems_warm"];
    for figure in figures {
        let svg = text(&place, &format!("figures/{figure}.svg"));
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{figure}");
        assert!(fs::read(place.join(format!("figures/{figure}.png"))).unwrap().starts_with(b"\x89PNG"), "{figure}");
    }
    let all = text(&place, "latex/all.tex");
    assert!(all.contains("\\input{scores}") && all.contains("\\input{matrix_warm}"), "{all}");
}

#[test]
fn names_are_data_wherever_they_stand() {
    let made = Made::new();
    made.run(HOST, 1, |run, trace| {
        run.tenants[0].workload = HOSTILE.into();
        run.platform = HOSTILE.into();
        trace.objects.iter_mut().for_each(|object| object.3 = HOSTILE);
    });
    let (_folder, place) = written(&made.analyzed());
    let csv = text(&place, "csv/combined.csv");
    assert!(csv.contains("'=cmd") && !csv.contains('\u{1b}'), "{csv}");
    let latex = text(&place, "latex/scores.tex");
    assert!(!latex.contains("\\input") && latex.contains("textbackslash{}input\\{x\\}"), "{latex}");
    for entry in fs::read_dir(place.join("figures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            let svg = fs::read_to_string(&path).unwrap();
            assert!(!svg.contains("<b>") && !svg.contains('\u{1b}'), "{}", path.display());
        }
    }
    let findings = text(&place, "findings.md");
    // Between backticks all is text; elsewhere markup is spelled out.
    assert!(!findings.contains('\u{1b}') && !findings.contains("**=cmd|"), "{findings}");
    assert!(findings.contains("&lt;b&gt;") && findings.contains("\\[x\\](y)"), "{findings}");
}

#[test]
fn old_results_are_replaced_and_other_folders_are_not() {
    let results = analyzed();
    let (folder, place) = written(&results);
    fs::write(place.join("csv/old.csv"), "").unwrap();
    lima_report::study::write(&results, &place).unwrap();
    assert!(!place.join("csv/old.csv").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("mine"), "").unwrap();
    let error = lima_report::study::write(&results, &other).unwrap_err().to_string();
    assert!(error.contains("holds other things"), "{error}");
    assert!(other.join("mine").exists());
}

#[test]
fn a_study_of_failures_has_results_that_say_so() {
    let made = Made::new();
    made.run(HOST, 1, |run, _| {
        run.status = lima_model::study::Status::Failed;
        run.reason = Some("out of luck".into());
    });
    let (_folder, place) = written(&made.analyzed());
    let findings = text(&place, "findings.md");
    assert!(findings.contains("0 of 1 run count") && findings.contains("out of luck"), "{findings}");
    assert_eq!(fs::read_dir(place.join("figures")).unwrap().count(), 0);
}
