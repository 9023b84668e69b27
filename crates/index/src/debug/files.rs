//! Names of source files, as a reader of the kernel knows them: `fs/ext4/file.c`.
//!
//! A compiler writes what it was called with: a path from the folder of the build or an absolute one, with `./` and
//! `../` in it, and the folder of the build may be another one than that of the source.

use super::text::Texts;
use super::unit::{Bytes, Dwarf, Unit};
use gimli::LineProgramHeader;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The folders that names of files are cut off from, longest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Roots(Vec<String>);

impl Roots {
    /// From the units: their names and the folders that they were compiled in.
    pub fn new<'a>(units: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut roots: Vec<String> = Vec::new();
        let mut common: [Option<String>; 2] = [None, None];
        let mut last = "";
        for (name, folder) in units {
            if folder != last {
                let tidy = tidied(folder);
                share(&mut common[0], &tidy, &tidy);
                if !roots.contains(&tidy) && roots.len() < 64 {
                    roots.push(tidy);
                }
                last = folder;
            }
            if name.starts_with('/') {
                let tidy = tidied(name);
                let parent = tidy.rsplit_once('/').map_or("", |(parent, _)| parent);
                share(&mut common[0], parent, parent);
                share(&mut common[1], parent, parent);
            }
        }
        // The folder of the source is what names and folders of builds have in common. Where they have nothing but the
        // root in common, it is what the names have.
        let [all, names] = common;
        let deep = |path: &String| path.matches('/').count() >= 2;
        roots.extend(all.filter(deep).or_else(|| names.filter(deep)));
        roots.retain(|root| !root.is_empty() && root != "/");
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        roots.dedup();
        Self(roots)
    }

    /// A path without the folder of the source.
    pub fn cut<'p>(&self, path: &'p str) -> &'p str {
        let under = |root: &String| path.strip_prefix(root.as_str())?.strip_prefix('/');
        self.0.iter().find_map(under).filter(|rest| !rest.is_empty()).unwrap_or(path)
    }
}

/// Shortens `common` to the folders that it shares with an absolute path.
fn share(common: &mut Option<String>, path: &str, first: &str) {
    if !path.starts_with('/') {
        return;
    }
    match common {
        None => *common = Some(first.to_owned()),
        Some(common) => {
            let mut end = 0;
            for (ours, theirs) in common.split_inclusive('/').zip(path.split_inclusive('/')) {
                if ours.trim_end_matches('/') != theirs.trim_end_matches('/') {
                    break;
                }
                end += ours.len();
            }
            common.truncate(end);
            if common.ends_with('/') && common.len() > 1 {
                common.pop();
            }
        }
    }
}

/// A path without `.`, `..` and doubled slashes.
pub(super) fn tidied(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                None if absolute => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

/// The files of a unit by their numbers, each made up when it is first asked for.
#[derive(Debug)]
pub(super) struct Files<'d, 'a> {
    dwarf: &'d Dwarf<'a>,
    header: Option<LineProgramHeader<Bytes<'a>>>,
    folder: String,
    roots: &'d Roots,
    texts: &'d Texts,
    known: FxHashMap<u64, Arc<str>>,
}

impl<'d, 'a> Files<'d, 'a> {
    pub fn new(
        dwarf: &'d Dwarf<'a>,
        unit: &Unit<'a>,
        header: Option<LineProgramHeader<Bytes<'a>>>,
        roots: &'d Roots,
        texts: &'d Texts,
    ) -> Self {
        let folder = unit.inner.comp_dir.map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
        Self { dwarf, header, folder, roots, texts, known: FxHashMap::default() }
    }

    /// The name of a file; empty when there is none of that number.
    pub fn name(&mut self, number: u64) -> Arc<str> {
        if let Some(name) = self.known.get(&number) {
            return Arc::clone(name);
        }
        let name = self.texts.shared(&self.make(number).unwrap_or_default());
        self.known.insert(number, Arc::clone(&name));
        name
    }

    fn make(&self, number: u64) -> Option<String> {
        let header = self.header.as_ref()?;
        let file = header.file(number)?;
        let text = |value| self.dwarf.attr_line_string(value).ok().map(|text| text.to_string_lossy().into_owned());
        let mut path = text(file.path_name())?;
        if !path.starts_with('/')
            && let Some(folder) = file.directory(header).and_then(text)
            && !(folder.is_empty() || header.version() < 5 && file.directory_index() == 0)
        {
            path = format!("{folder}/{path}");
        }
        let mut path = tidied(&path);
        if path.starts_with("..") && self.folder.starts_with('/') {
            path = tidied(&format!("{}/{path}", self.folder));
        }
        Some(self.roots.cut(&path).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Roots, tidied};

    #[test]
    fn paths_are_tidied() {
        for (path, tidy) in [
            ("./include/linux/fs.h", "include/linux/fs.h"),
            ("/a/b/../c//d.c", "/a/c/d.c"),
            ("../../fs/inode.c", "../../fs/inode.c"),
            ("/../x.c", "/x.c"),
            ("a/..", ""),
            ("", ""),
        ] {
            assert_eq!(tidied(path), tidy, "{path}");
        }
    }

    #[test]
    fn roots_of_a_build_in_the_source() {
        let roots = Roots::new([("fs/inode.c", "/src/linux"), ("/src/linux/lib/x.S", "/src/linux")].into_iter());
        assert_eq!(roots.cut("/src/linux/fs/inode.c"), "fs/inode.c");
        assert_eq!(roots.cut("/src/linux-other/fs/inode.c"), "/src/linux-other/fs/inode.c");
        assert_eq!(roots.cut("fs/inode.c"), "fs/inode.c");
    }

    #[test]
    fn roots_of_a_build_below_the_source() {
        let units = [
            ("/b/linux-6.1/arch/x86/kernel/head_64.S", "/b/linux-6.1/debian/build/amd64"),
            ("init/main.c", "debian/build/amd64"),
        ];
        let roots = Roots::new(units.into_iter());
        assert_eq!(roots.cut("/b/linux-6.1/arch/x86/kernel/head_64.S"), "arch/x86/kernel/head_64.S");
        assert_eq!(roots.cut("debian/build/amd64/include/generated/x.h"), "include/generated/x.h");
        assert_eq!(roots.cut("/b/linux-6.1/debian/build/amd64/certs/x.S"), "certs/x.S");
    }

    #[test]
    fn roots_of_a_build_beside_the_source() {
        let units = [("/home/me/linux/fs/inode.c", "/out/x"), ("/home/me/linux/mm/slub.c", "/out/x")];
        let roots = Roots::new(units.into_iter());
        assert_eq!(roots.cut("/home/me/linux/fs/inode.c"), "fs/inode.c");
        assert_eq!(roots.cut("/out/x/include/generated/x.h"), "include/generated/x.h");
    }
}
