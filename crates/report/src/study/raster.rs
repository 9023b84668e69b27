//! A drawing as PNG, in its own font: the same on every machine, those without fonts included.

use super::draw::{Anchor, Drawing, OPACITY, Shape};
use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use anyhow::{Context, Result};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;
use std::sync::OnceLock;

const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
/// How many pixels a unit of the drawing has.
const SCALE: f64 = 2.0;

/// The font, unless it is broken, which a test would see.
fn font() -> Option<&'static FontRef<'static>> {
    static PARSED: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    PARSED.get_or_init(|| FontRef::try_from_slice(FONT).ok()).as_ref()
}

/// The font's own scale for letters of a size as SVG has it, which is that of the em square.
fn scale_of(font: &FontRef<'_>, size: f64) -> PxScale {
    PxScale::from(size as f32 * font.height_unscaled() / font.units_per_em().unwrap_or(1.0))
}

/// How wide a text of this size is.
pub fn width(text: &str, size: f64) -> f64 {
    let Some(font) = font() else { return text.chars().count() as f64 * size * 0.6 };
    let scaled = font.as_scaled(scale_of(font, size));
    text.chars().map(|c| f64::from(scaled.h_advance(font.glyph_id(c)))).sum()
}

/// The drawing as a file.
pub fn png(drawing: &Drawing) -> Result<Vec<u8>> {
    let pixels = |length: f64| (length * SCALE) as usize;
    let mut canvas = Canvas::new(pixels(drawing.width), pixels(drawing.height));
    drawing.shapes.iter().for_each(|shape| canvas.draw(shape));
    encode(&canvas).context("encode a figure as PNG")
}

/// Pixels: red, green, blue.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[f64; 3]>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[255.0; 3]; width * height] }
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Rect { x, y, width, height, fill } => {
                let (left, top) = (x * SCALE, y * SCALE);
                let (right, bottom) = (left + width * SCALE, top + height * SCALE);
                // The part of a pixel that lies within.
                let within = |at: f64, from: f64, to: f64| ((at + 0.5).min(to) - (at - 0.5).max(from)).clamp(0.0, 1.0);
                self.cover((left, top, right, bottom), fill, |x, y| within(x, left, right) * within(y, top, bottom));
            }
            Shape::Path { points, stroke, width } => {
                let half = width * SCALE / 2.0;
                for pair in points.windows(2) {
                    let [from, to] = [pair[0], pair[1]].map(|(x, y)| (x * SCALE, y * SCALE));
                    let area = (
                        from.0.min(to.0) - half - 1.0,
                        from.1.min(to.1) - half - 1.0,
                        from.0.max(to.0) + half + 1.0,
                        from.1.max(to.1) + half + 1.0,
                    );
                    // A line thinner than a pixel is a paler one.
                    let most = (2.0 * half).min(1.0);
                    self.cover(area, stroke, |x, y| (half + 0.5 - distance((x, y), from, to)).clamp(0.0, most));
                }
            }
            Shape::Dot { x, y, radius, fill } => {
                let (x, y, radius) = (x * SCALE, y * SCALE, radius * SCALE);
                let area = (x - radius - 1.0, y - radius - 1.0, x + radius + 1.0, y + radius + 1.0);
                let part = |at: f64, up: f64| (radius + 0.5 - (at - x).hypot(up - y)).clamp(0.0, 1.0) * OPACITY;
                self.cover(area, fill, part);
            }
            Shape::Text { x, y, text, size, anchor, fill } => {
                let wide = width(text, size * SCALE);
                let before = match anchor {
                    Anchor::Start => 0.0,
                    Anchor::Middle => wide / 2.0,
                    Anchor::End => wide,
                };
                self.text((x * SCALE - before, y * SCALE), text, size * SCALE, colour(fill));
            }
        }
    }

    /// Colours an area, each pixel as far as `part` says of its middle.
    fn cover(&mut self, area: (f64, f64, f64, f64), fill: &str, part: impl Fn(f64, f64) -> f64) {
        let colour = colour(fill);
        let bound = |at: f64, most: usize| (at.max(0.0) as usize).min(most);
        for y in bound(area.1.floor(), self.height)..bound(area.3.ceil(), self.height) {
            for x in bound(area.0.floor(), self.width)..bound(area.2.ceil(), self.width) {
                self.blend(x, y, colour, part(x as f64 + 0.5, y as f64 + 0.5));
            }
        }
    }

    fn text(&mut self, (mut x, y): (f64, f64), text: &str, size: f64, colour: [f64; 3]) {
        let Some(font) = font() else { return };
        let scale = scale_of(font, size);
        let scaled = font.as_scaled(scale);
        for c in text.chars() {
            let id = font.glyph_id(c);
            let glyph = id.with_scale_and_position(scale, point(x as f32, y as f32));
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|across, down, part| {
                    let (x, y) = (corner.x + across as f32, corner.y + down as f32);
                    if x >= 0.0 && y >= 0.0 {
                        self.blend(x as usize, y as usize, colour, f64::from(part).min(1.0));
                    }
                });
            }
            x += f64::from(scaled.h_advance(id));
        }
    }

    fn blend(&mut self, x: usize, y: usize, colour: [f64; 3], part: f64) {
        if x < self.width && y < self.height && part > 0.0 {
            let pixel = &mut self.pixels[y * self.width + x];
            (0..3).for_each(|channel| pixel[channel] += (colour[channel] - pixel[channel]) * part);
        }
    }
}

/// How far a point is from the line between two others.
fn distance(at: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let along = (to.0 - from.0, to.1 - from.1);
    let length = along.0 * along.0 + along.1 * along.1;
    let part = if length == 0.0 { 0.0 } else { ((at.0 - from.0) * along.0 + (at.1 - from.1) * along.1) / length };
    let part = part.clamp(0.0, 1.0);
    (at.0 - from.0 - part * along.0).hypot(at.1 - from.1 - part * along.1)
}

/// `#rrggbb` as numbers; black when it is something else.
fn colour(text: &str) -> [f64; 3] {
    let channel = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    [1, 3, 5].map(|at| f64::from(channel(at).unwrap_or_default()))
}

/// The file's parts: a head, the pixels line by line, an end.
fn encode(canvas: &Canvas) -> Result<Vec<u8>> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend(u32::try_from(canvas.width)?.to_be_bytes());
    head.extend(u32::try_from(canvas.height)?.to_be_bytes());
    // Eight bits a channel, three channels, and the only ways to compress, filter and order there are.
    head.extend([8, 2, 0, 0, 0]);
    chunk(&mut out, b"IHDR", &head)?;
    let mut lines = ZlibEncoder::new(Vec::new(), Compression::default());
    for line in canvas.pixels.chunks(canvas.width.max(1)) {
        lines.write_all(&[0])?;
        let bytes: Vec<u8> = line.iter().flatten().map(|channel| channel.round() as u8).collect();
        lines.write_all(&bytes)?;
    }
    chunk(&mut out, b"IDAT", &lines.finish()?)?;
    chunk(&mut out, b"IEND", &[])?;
    Ok(out)
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) -> Result<()> {
    out.extend(u32::try_from(data.len())?.to_be_bytes());
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(data);
    out.extend(kind);
    out.extend(data);
    out.extend(sum.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_covers_its_pixels() {
        let mut canvas = Canvas::new(8, 8);
        canvas.draw(&Shape::Rect { x: 1.0, y: 1.0, width: 1.25, height: 1.0, fill: "#000000".into() });
        let red = |x: usize, y: usize| canvas.pixels[y * 8 + x][0];
        assert_eq!((red(1, 2), red(2, 2), red(3, 3), red(4, 2), red(5, 2)), (255.0, 0.0, 0.0, 127.5, 255.0));
    }

    #[test]
    fn a_text_has_a_width_and_ink() {
        assert!(width("wide", 12.0) > width("i", 12.0));
        let mut canvas = Canvas::new(40, 40);
        let text = Shape::Text {
            x: 10.0,
            y: 15.0,
            text: "H".into(),
            size: 12.0,
            anchor: Anchor::Middle,
            fill: "#000000".into(),
        };
        canvas.draw(&text);
        assert!(canvas.pixels.iter().any(|pixel| pixel[0] < 50.0));
    }
}
