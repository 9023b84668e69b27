//! Tables for LaTeX: one file each, and `all.tex`, a document of all of them. They need `booktabs` and `longtable`.

use super::folder::put;
use super::numbers::{short, shown};
use super::pivot::{PHASES, Pivot, matrix};
use anyhow::Result;
use lima_analyze::study::{Results, StudyTable};
use lima_model::escape;
use std::fmt::Write;
use std::path::Path;

/// Which columns of which tables, what the table is, and how many rows at most.
const CHOSEN: &[(&str, &[&str], &str, usize)] = &[
    (
        "scores",
        &["phase", "platform", "groups", "runs", "score", "score_low", "score_high", "shared_per_s", "met_share"],
        "Isolation score of each platform",
        usize::MAX,
    ),
    (
        "pairs",
        &["phase", "workloads", "platform", "runs", "score", "class_share", "shared_per_s", "observed_ns_per_s"],
        "Isolation of workloads side by side",
        usize::MAX,
    ),
    (
        "objects_ranked",
        &["phase", "platform", "place", "object", "subsystem", "potential_per_s", "share", "observed_ns_per_s"],
        "Kernel objects by interference that passes through them",
        10,
    ),
    (
        "sources",
        &["phase", "platform", "source", "best_place", "best_object", "share"],
        "The journal and the page allocator",
        usize::MAX,
    ),
    (
        "subsystems",
        &["phase", "platform", "subsystem", "rate_max_per_s", "max_workload", "max_object"],
        "Maximum rates by subsystem",
        8,
    ),
    (
        "sensitivity",
        &["phase", "workload", "workloads", "least_platform", "most_platform", "factor", "variation"],
        "Sensitivity of workloads to the platform",
        usize::MAX,
    ),
    (
        "magnitude",
        &["phase", "platform", "from_per_s", "classes", "rate_per_s", "share"],
        "Magnitude of locks",
        usize::MAX,
    ),
    (
        "cold_warm",
        &["platform", "workload", "workloads", "cold_per_s", "warm_per_s", "cold_to_warm", "cold_born_per_s"],
        "Cold start against steady work",
        usize::MAX,
    ),
    (
        "elapsed",
        &["platform", "workloads", "workload", "runs", "slowdown_median", "slowdown_least", "slowdown_most"],
        "Elapsed time, traced by untraced",
        usize::MAX,
    ),
    (
        "overlap",
        &["phase", "platform", "other", "common", "either", "overlap", "hot_overlap"],
        "Overlap of platforms",
        usize::MAX,
    ),
];

/// Writes them into a folder.
pub fn write(results: &Results, folder: &Path) -> Result<()> {
    let mut names = Vec::new();
    for phase in PHASES {
        let pivot = matrix(results, phase);
        if !pivot.is_empty() {
            let name = format!("matrix_{phase}");
            put(&folder.join(format!("{name}.tex")), of_pivot(&pivot, phase).as_bytes())?;
            names.push(name);
        }
    }
    for &(name, columns, caption, most) in CHOSEN {
        if let Some(table) = results.table(name).filter(|table| !table.is_empty()) {
            put(&folder.join(format!("{name}.tex")), of_table(table, columns, caption, most).as_bytes())?;
            names.push(name.to_owned());
        }
    }
    put(&folder.join("all.tex"), document(&names).as_bytes())
}

fn document(names: &[String]) -> String {
    let mut out = String::from(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\\usepackage{booktabs,longtable}\n\
         \\usepackage[landscape,margin=15mm]{geometry}\n\\begin{document}\n\\footnotesize\n",
    );
    for name in names {
        let _ = writeln!(out, "\\input{{{name}}}");
    }
    if names.is_empty() {
        out.push_str("No table has a row.\n");
    }
    out.push_str("\\end{document}\n");
    out
}

fn of_pivot(pivot: &Pivot, phase: &str) -> String {
    let head: Vec<String> =
        std::iter::once("workload").chain(pivot.columns.iter().map(String::as_str)).map(tex).collect();
    let row = |row: &String| {
        let numbers = pivot.columns.iter().map(|column| pivot.get(row, column).map_or_else(|| "--".to_owned(), short));
        std::iter::once(tex(row)).chain(numbers).collect()
    };
    let rows: Vec<Vec<String>> = pivot.rows.iter().map(row).collect();
    let right: Vec<bool> = (0..head.len()).map(|column| column > 0).collect();
    longtable(&head, &right, &rows, &format!("Acquisitions per second and tenant, {phase}: medians"))
}

fn of_table(table: &StudyTable, columns: &[&str], caption: &str, most: usize) -> String {
    let head: Vec<String> = columns.iter().map(|column| tex(&column.replace('_', " "))).collect();
    let mut rows = Vec::new();
    // The first rows of each phase and platform.
    let mut of_group = (String::new(), 0);
    for at in 0..table.len() {
        let group = format!("{}/{}", table.text(at, "phase"), table.text(at, "platform"));
        of_group = if of_group.0 == group { (group, of_group.1 + 1) } else { (group, 0) };
        if of_group.1 < most {
            rows.push(columns.iter().map(|column| tex(&shown(table.get(at, column)))).collect());
        }
    }
    let right: Vec<bool> =
        columns.iter().map(|column| (0..table.len()).any(|at| table.number(at, column).is_some())).collect();
    let caption = if most == usize::MAX { caption.to_owned() } else { format!("{caption}: the first {most}") };
    longtable(&head, &right, &rows, &caption)
}

fn longtable(head: &[String], right: &[bool], rows: &[Vec<String>], caption: &str) -> String {
    let spec: String = right.iter().map(|&right| if right { 'r' } else { 'l' }).collect();
    let head = head.join(" & ");
    let mut out = format!(
        "\\begin{{longtable}}{{{spec}}}\n\\caption{{{}}}\\\\\n\\toprule\n{head} \\\\\n\\midrule\n\\endfirsthead\n\\toprule\n\
         {head} \\\\\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n",
        tex(caption)
    );
    for row in rows {
        let _ = writeln!(out, "{} \\\\", row.join(" & "));
    }
    out.push_str("\\end{longtable}\n");
    out
}

/// Text that LaTeX sets as it is. What its standard fonts lack is spelled out.
fn tex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape::terminal(text).chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '"' => out.push_str("\\textquotedbl{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            // Ligatures: `--` would become a dash.
            '-' => out.push_str("-{}"),
            '`' | '\'' => out.extend([c, '{', '}']),
            '[' | ']' => out.extend(['{', c, '}']),
            c if c.is_ascii() => out.push(c),
            c => {
                let _ = write!(out, "U+{:04X}", u32::from(c));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::tex;

    #[test]
    fn nothing_in_a_name_is_a_command() {
        assert_eq!(tex("\\input{/etc/passwd}"), "\\textbackslash{}input\\{/etc/passwd\\}");
        assert_eq!(tex("a_b & 50% $x$ #1"), "a\\_b \\& 50\\% \\$x\\$ \\#1");
        assert_eq!(tex("größe\n"), "grU+00F6U+00DFe\\textbackslash{}n");
        assert_eq!(tex("[--]"), "{[}-{}-{}{]}");
    }
}
