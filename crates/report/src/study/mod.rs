//! The results of a study as files: Parquet and CSV for every table, a workbook, tables for LaTeX, figures, findings.

mod axis;
mod draw;
mod figures;
mod findings;
mod folder;
mod heat;
mod latex;
mod numbers;
mod pivot;
mod plots;
mod raster;
mod sheets;

pub use folder::write;
