//! A drawing of rectangles, lines, dots and texts: as SVG, and by `raster` as PNG.

use super::raster;
use anyhow::Result;
use lima_model::escape;
use std::fmt::Write;

/// Height of ordinary text.
pub const TEXT: f64 = 12.0;

/// Colours that people of any colour vision can tell apart (Okabe and Ito).
pub const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31"];

/// Where a text stands from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Right of it.
    Start,
    /// Around it.
    Middle,
    /// Left of it.
    End,
}

/// A part of a drawing. Colours are `#rrggbb`.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A filled rectangle.
    Rect { x: f64, y: f64, width: f64, height: f64, fill: String },
    /// A line through several points.
    Path { points: Vec<(f64, f64)>, stroke: String, width: f64 },
    /// A dot that lets what is under it shine through a little.
    Dot { x: f64, y: f64, radius: f64, fill: String },
    /// A text.
    Text { x: f64, y: f64, text: String, size: f64, anchor: Anchor, fill: String },
}

/// How much of what is under a dot it covers.
pub const OPACITY: f64 = 0.85;

/// A drawing that grows.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// What is in it, the last on top.
    pub shapes: Vec<Shape>,
}

impl Drawing {
    /// An empty one with a title.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let mut drawing = Self { width: width.ceil(), height: height.ceil(), shapes: Vec::new() };
        drawing.rect(0.0, 0.0, drawing.width, drawing.height, "#ffffff");
        drawing.label(16.0, 24.0, title, 15.0, Anchor::Start, "#000000");
        drawing
    }

    /// A filled rectangle.
    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str) {
        self.shapes.push(Shape::Rect { x, y, width, height, fill: fill.to_owned() });
    }

    /// A line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, width: f64) {
        self.path(&[from, to], stroke, width);
    }

    /// A line through several points.
    pub fn path(&mut self, points: &[(f64, f64)], stroke: &str, width: f64) {
        self.shapes.push(Shape::Path { points: points.to_vec(), stroke: stroke.to_owned(), width });
    }

    /// A dot.
    pub fn dot(&mut self, x: f64, y: f64, radius: f64, fill: &str) {
        self.shapes.push(Shape::Dot { x, y, radius, fill: fill.to_owned() });
    }

    /// A text at a point, ordinary size.
    pub fn text(&mut self, x: f64, y: f64, text: &str, anchor: Anchor) {
        self.label(x, y, text, TEXT, anchor, "#222222");
    }

    /// A text at a point.
    pub fn label(&mut self, x: f64, y: f64, text: &str, size: f64, anchor: Anchor, fill: &str) {
        let (text, fill) = (escape::terminal(text), fill.to_owned());
        self.shapes.push(Shape::Text { x, y, text, size, anchor, fill });
    }

    /// Coloured squares with names, in a row.
    pub fn legend(&mut self, mut x: f64, y: f64, names: &[String]) {
        for (at, name) in names.iter().enumerate() {
            self.rect(x, y - 10.0, 12.0, 12.0, colour(at));
            self.text(x + 17.0, y, name, Anchor::Start);
            x += 17.0 + width(name) + 20.0;
        }
    }

    /// The drawing as SVG.
    pub fn svg(&self) -> String {
        let (width, height) = (self.width, self.height);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"'DejaVu Sans', Verdana, sans-serif\">\n"
        );
        self.shapes.iter().for_each(|shape| shape.svg(&mut out));
        out.push_str("</svg>\n");
        out
    }

    /// The same as PNG.
    pub fn png(&self) -> Result<Vec<u8>> {
        raster::png(self)
    }
}

impl Shape {
    fn svg(&self, out: &mut String) {
        let _ = match self {
            Self::Rect { x, y, width, height, fill } => {
                writeln!(out, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"/>"#)
            }
            Self::Path { points, stroke, width } => {
                let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                let points = points.join(" ");
                writeln!(out, r#"<polyline points="{points}" fill="none" stroke="{stroke}" stroke-width="{width}"/>"#)
            }
            Self::Dot { x, y, radius, fill } => {
                writeln!(
                    out,
                    r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{fill}" fill-opacity="{OPACITY}"/>"#
                )
            }
            Self::Text { x, y, text, size, anchor, fill } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                let (place, text) = (format!(r#"x="{x:.1}" y="{y:.1}""#), xml(text));
                writeln!(out, r#"<text {place} font-size="{size}" text-anchor="{anchor}" fill="{fill}">{text}</text>"#)
            }
        };
    }
}

/// The colour of a platform, by its place.
pub fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// How wide an ordinary text is.
pub fn width(text: &str) -> f64 {
    raster::width(text, TEXT)
}

/// A text of at most so many characters.
pub fn clipped(text: &str, most: usize) -> String {
    let shown = escape::terminal(text);
    if shown.chars().count() <= most { shown } else { shown.chars().take(most - 1).chain(['…']).collect() }
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Unicode has characters that XML does not permit.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup() {
        let mut drawing = Drawing::new(100.0, 50.0, "<script>&\"\u{1b}");
        drawing.legend(10.0, 40.0, &["host".to_owned()]);
        let svg = drawing.svg();
        assert!(svg.contains("&lt;script&gt;&amp;&quot;\\u{1b}"), "{svg}");
        let png = drawing.png().unwrap();
        assert_eq!(&png[1..4], b"PNG");
    }

    #[test]
    fn long_names_are_clipped() {
        assert_eq!(clipped("abcdef", 4), "abc…");
        assert_eq!(clipped("abcd", 4), "abcd");
    }
}
