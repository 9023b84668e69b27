//! `docs/trace-format.md` says what the code does: its tables are made from the model, and no field of the manifest is
//! left out. `LIMA_UPDATE_DOCS=1 cargo test -p lima-trace --test document` brings the made parts up to date.

use lima_model::manifest::{Filter, Manifest, Program};
use lima_model::{Loss, schema};
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/trace-format.md")
}

fn losses() -> String {
    let mut out = String::from("\n| cause | what was lost |\n|---|---|\n");
    for loss in Loss::ALL {
        let _ = writeln!(out, "| `{}` | {} |", loss.name(), loss.meaning());
    }
    out
}

/// The document with the part between the marks `name` replaced.
fn with_part(document: &str, name: &str, part: &str) -> String {
    let begin = document.find(&format!("<!-- {name}: begin")).expect("the begin mark");
    let begin = begin + document[begin..].find('\n').unwrap() + 1;
    let end = document.find(&format!("<!-- {name}: end")).expect("the end mark");
    format!("{}{part}\n{}", &document[..begin], &document[end..])
}

#[test]
fn the_made_parts_are_up_to_date() {
    let document = std::fs::read_to_string(path()).unwrap();
    let expected = with_part(&document, "losses", &losses());
    let expected = with_part(&expected, "tables", &schema::markdown());
    if std::env::var_os("LIMA_UPDATE_DOCS").is_some() {
        std::fs::write(path(), &expected).unwrap();
    } else {
        assert!(document == expected, "run LIMA_UPDATE_DOCS=1 cargo test -p lima-trace --test document");
    }
}

/// The names of all fields, as the document should have them: `a.b` in objects, `b` in lists of objects.
fn fields(value: &Value, prefix: &str, names: &mut Vec<String>) {
    match value {
        // The causes of loss have a table of their own.
        Value::Object(object) if prefix != "losses" && !object.is_empty() => {
            for (name, value) in object {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                fields(value, &name, names);
            }
        }
        Value::Array(items) if items.first().is_some_and(Value::is_object) => {
            names.push(prefix.to_owned());
            names.extend(items[0].as_object().unwrap().keys().cloned());
        }
        _ => names.push(prefix.to_owned()),
    }
}

#[test]
fn every_field_of_the_manifest_is_documented() {
    let mut manifest = Manifest::begin("test");
    manifest.programs.push(Program::default());
    manifest.options.filters.push(Filter { field: String::new(), values: Vec::new() });
    let mut names = Vec::new();
    fields(&serde_json::to_value(manifest).unwrap(), "", &mut names);
    assert!(names.len() > 25 && names.contains(&"kernel.build_id".to_owned()));
    let document = std::fs::read_to_string(path()).unwrap();
    let missing: Vec<_> = names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/trace-format.md: {missing:?}");
}
