//! `docs/index-format.md` says what the code does: its tables are made from the model, and no field of the manifest is left
//! out. `LIMA_UPDATE_DOCS=1 cargo test -p lima-index --test document` brings the made part up to date.

use lima_model::IndexManifest;
use lima_model::index::{Input, Stage, TableFile};
use lima_model::schema;
use serde_json::Value;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/index-format.md")
}

/// The document with the part between the marks replaced.
fn with_tables(document: &str, part: &str) -> String {
    let begin = document.find("<!-- tables: begin").expect("the begin mark");
    let begin = begin + document[begin..].find('\n').unwrap() + 1;
    let end = document.find("<!-- tables: end").expect("the end mark");
    format!("{}{part}\n{}", &document[..begin], &document[end..])
}

#[test]
fn the_tables_are_up_to_date() {
    let document = std::fs::read_to_string(path()).unwrap();
    let expected = with_tables(&document, &schema::index_markdown());
    if std::env::var_os("LIMA_UPDATE_DOCS").is_some() {
        std::fs::write(path(), &expected).unwrap();
    } else {
        assert!(document == expected, "run LIMA_UPDATE_DOCS=1 cargo test -p lima-index --test document");
    }
}

/// The names of all fields, as the document should have them: `a.b` in objects of fixed make, `b` in lists and tallies.
fn fields(value: &Value, prefix: &str, names: &mut Vec<String>) {
    match value {
        Value::Object(object) if ["", "sites", "cost"].contains(&prefix) => {
            for (name, value) in object {
                fields(value, &if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") }, names);
            }
        }
        Value::Object(object) => {
            names.push(prefix.to_owned());
            let inner = object.get("locks").and_then(Value::as_object).unwrap_or(object);
            names.extend(inner.keys().cloned());
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
    let mut manifest = IndexManifest::default();
    manifest.inputs.push(Input::default());
    manifest.tables.insert("locks".to_owned(), TableFile::default());
    manifest.cost.stages.push(Stage::default());
    let mut names = Vec::new();
    fields(&serde_json::to_value(manifest).unwrap(), "", &mut names);
    assert!(names.len() > 25 && names.contains(&"cost.peak_bytes".to_owned()), "{names:?}");
    let document = std::fs::read_to_string(path()).unwrap();
    let missing: Vec<_> = names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/index-format.md: {missing:?}");
}
