//! What comes out of a guest: the command's output up to the mark that ends it, and the last lines of the console.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

const BLOCK: usize = 64 << 10;

/// Copies until the mark, which is not copied. `false`: the source ended without it.
pub(super) fn copy_until(mark: &[u8], from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut pending: Vec<u8> = Vec::new();
    let mut block = vec![0; BLOCK];
    loop {
        let length = match from.read(&mut block) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if length == 0 {
            to.write_all(&pending)?;
            to.flush()?;
            return Ok(false);
        }
        pending.extend_from_slice(&block[..length]);
        if let Some(place) = pending.windows(mark.len()).position(|part| part == mark) {
            to.write_all(&pending[..place])?;
            to.flush()?;
            return Ok(true);
        }
        // The end may be the beginning of the mark.
        let kept = (0..mark.len().min(pending.len() + 1)).rfind(|&length| pending.ends_with(&mark[..length]));
        let ready = pending.len() - kept.unwrap_or(0);
        to.write_all(&pending[..ready])?;
        to.flush()?;
        pending.drain(..ready);
    }
}

/// The last lines of a text that is only ever added to.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(BLOCK);
        self.bytes.drain(..surplus);
    }

    /// At most so many lines.
    pub(super) fn lines(&self, most: usize) -> Vec<String> {
        let mut lines = self.all();
        lines.drain(..lines.len().saturating_sub(most));
        lines
    }

    /// The last line with these words, from there on.
    pub(super) fn last_with(&self, words: &str) -> Option<String> {
        self.all().iter().rev().find_map(|line| line.find(words).map(|place| line[place..].to_owned()))
    }

    fn all(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of a few.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(into.len());
            into[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn the_mark_ends_the_output_wherever_it_is_cut() {
        for size in 1..12 {
            let mut out = Vec::new();
            let marked = copy_until(b"MARK", &mut Pieces(b"one MAR two MMARKthree", size), &mut out).unwrap();
            assert!(marked);
            assert_eq!(out, b"one MAR two M");
            let mut out = Vec::new();
            assert!(!copy_until(b"MARK", &mut Pieces(b"one MAR", size), &mut out).unwrap());
            assert_eq!(out, b"one MAR");
        }
    }

    #[test]
    fn a_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        (0..20_000).for_each(|number| tail.add(format!("line {number}\r\n").as_bytes()));
        assert_eq!(tail.lines(2), ["line 19998", "line 19999"]);
        assert_eq!(tail.last_with("e 19998").as_deref(), Some("e 19998"));
        assert_eq!(tail.last_with("panic"), None);
        assert!(tail.bytes.len() <= BLOCK);
    }
}
