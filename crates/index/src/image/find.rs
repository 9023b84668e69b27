//! The best image of a kernel that can be found: with debug information, without, or only what a running kernel says of
//! itself.

use super::contents::{Contents, Data, Part};
use super::inflate::Packing;
use super::module_files::{ModulePaths, modules};
use super::{Image, Kind, Section, elf, symbols_in_text};
use crate::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where to look for a kernel. The default is the running one, in the usual places.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The folder that the usual places are in, `/`.
    pub root: PathBuf,
    /// A kernel by its release, `6.1.0-50-cloud-amd64`; the running one when nothing is said.
    pub release: Option<String>,
    /// This file is the linked kernel.
    pub vmlinux: Option<PathBuf>,
    /// This file is the bootable kernel.
    pub vmlinuz: Option<PathBuf>,
    /// A text of symbols (`System.map`) for an image that has none.
    pub symbols: Option<PathBuf>,
    /// The modules are here.
    pub modules: Option<PathBuf>,
    /// Debug information is here, as in `/usr/lib/debug`.
    pub debug: Option<PathBuf>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            release: None,
            vmlinux: None,
            vmlinuz: None,
            symbols: None,
            modules: None,
            debug: None,
        }
    }
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The kernel.
    pub kernel: Image,
    /// What kind of image it is.
    pub source: Source,
    /// Its modules, ascending by path.
    pub modules: Vec<ModulePaths>,
    /// What was looked for in vain, and why it was not taken, a line each.
    pub passed_over: Vec<String>,
}

/// What kind of image was found. The order is from the best to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Code with debug information.
    Debug,
    /// Code without debug information.
    Code,
    /// No code: the types and the symbols that the running kernel shows.
    Described,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "image with debug information",
            Self::Code => "image without debug information",
            Self::Described => "types and symbols of the running kernel, without its code",
        })
    }
}

/// Finds the best image.
///
/// # Errors
/// Those of [`Image::open`] for a file that was named; [`Error::Missing`], which says where was looked, when nothing is
/// found.
pub fn find(wanted: &Wanted) -> Result<Found, Error> {
    let mut search = Search { wanted, build_id: Vec::new(), passed_over: Vec::new() };
    let named = wanted.vmlinux.as_ref().or(wanted.vmlinuz.as_ref());
    if let Some(folder) = &wanted.debug {
        fs::read_dir(folder).map_err(Error::file("read", folder))?;
    }
    let (kernel, release) = match named {
        Some(path) => (search.named(path)?, None),
        None => {
            let running = release_of_running()?;
            let release = wanted.release.clone().unwrap_or_else(|| running.clone());
            let is_running = wanted.root == Path::new("/") && release == running;
            if is_running {
                search.build_id = build_id_of_running();
            }
            (search.usual(&release, is_running)?, Some(release))
        }
    };
    let release = release.or_else(|| kernel.release().map(str::to_owned)).unwrap_or_default();
    let source = match (kernel.has_dwarf(), kernel.has_code()) {
        (_, false) => Source::Described,
        (true, true) => Source::Debug,
        (false, true) => Source::Code,
    };
    let modules = match (&wanted.modules, named, source) {
        (Some(folder), _, _) => {
            let found = modules(folder, &search.debug_folders(&release))?;
            if found.is_empty() {
                let what = "there are no modules (.ko, .ko.xz, .ko.zst, .ko.gz) in it";
                return Err(Error::malformed(folder, "folder", what));
            }
            found
        }
        (None, Some(_), _) | (None, None, Source::Described) => Vec::new(),
        (None, None, _) => match search.module_folder(&release) {
            Some(folder) => modules(&folder, &search.debug_folders(&release))?,
            None => Vec::new(),
        },
    };
    Ok(Found { kernel, source, modules, passed_over: search.passed_over })
}

struct Search<'a> {
    wanted: &'a Wanted,
    /// The running kernel's, when that is the one, and it says so.
    build_id: Vec<u8>,
    passed_over: Vec<String>,
}

impl Search<'_> {
    /// The kernel that was named, with debug information from next to it or from the folder that was named.
    fn named(&mut self, path: &Path) -> Result<Image, Error> {
        let mut image = Image::open(path)?;
        if let Some(path) = self.wanted.vmlinuz.as_ref().filter(|_| !image.has_code()) {
            image = Image::open(path)?.with_debug(image)?;
        }
        if !image.has_code() {
            let what = "holds no code, only debug information about it; name the bootable file too, with --vmlinuz";
            return Err(Error::malformed(path, ".text", what));
        }
        if !image.has_dwarf() && !image.build_id.is_empty() {
            self.build_id.clone_from(&image.build_id);
            let before = self.passed_over.len();
            for path in self.debug_of(path, &image) {
                if let Some(debug) = self.open(&path).filter(Image::has_dwarf) {
                    image = image.with_debug(debug)?;
                    // Where else it could have been is of no interest any more.
                    self.passed_over.truncate(before);
                    break;
                }
            }
        }
        self.with_symbols(image, None)
    }

    /// Where the debug information of a kernel can be: next to it, if there is such a file, or in the folder that was
    /// named, by the kernel's release, its build id, or the name that it says itself.
    fn debug_of(&self, path: &Path, image: &Image) -> Vec<PathBuf> {
        let linked = image.debug_link();
        let mut beside = path.as_os_str().to_owned();
        beside.push(".debug");
        let mut paths = vec![PathBuf::from(beside)];
        if let Some(name) = &linked {
            paths.extend([path.with_file_name(name), path.with_file_name(".debug").join(name)]);
        }
        paths.retain(|path| path.exists());
        if let Some(debug) = &self.wanted.debug {
            paths.extend(self.linked_in(debug, image.release().unwrap_or_default()));
            paths.extend(linked.map(|name| debug.join(name)));
        }
        paths
    }

    /// The best in the usual places.
    fn usual(&mut self, release: &str, running: bool) -> Result<Image, Error> {
        let (mut code, mut debug) = (None, None);
        for path in self.linked(release) {
            let Some(image) = self.open(&path) else { continue };
            match (image.has_code(), image.has_dwarf()) {
                (true, true) => return Ok(image),
                (true, false) => {
                    self.passed_over.push(format!("{}: without debug information", path.display()));
                    code = code.or(Some(image));
                }
                (false, true) => {
                    self.passed_over.push(format!("{}: without the code", path.display()));
                    debug = debug.or(Some(image));
                }
                (false, false) => {
                    self.passed_over.push(format!("{}: neither code nor debug information", path.display()))
                }
            }
        }
        for path in self.bootable(release) {
            if code.is_none() {
                code = self.open(&path).filter(Image::has_code);
            }
        }
        match (code, debug) {
            (Some(code), Some(debug)) if code.build_id == debug.build_id => return code.with_debug(debug),
            (Some(code), _) => return self.with_symbols(code, Some((release, running))),
            (None, _) => {}
        }
        if running {
            match described(release, &self.build_id) {
                Ok(image) => return Ok(image),
                Err(error) => self.passed_over.push(error.to_string()),
            }
        }
        Err(Error::Missing(format!(
            "no image of kernel {release} was found; install its debug package (Debian: linux-image-{release}-dbg), or \
             name a file with --vmlinux or --vmlinuz. Looked at:\n  {}",
            self.passed_over.join("\n  ")
        )))
    }

    /// Where a linked kernel can be.
    fn linked(&self, release: &str) -> Vec<PathBuf> {
        let root = &self.wanted.root;
        let debug = self.wanted.debug.iter().cloned().chain([root.join("usr/lib/debug")]);
        let mut paths: Vec<PathBuf> = debug.flat_map(|debug| self.linked_in(&debug, release)).collect();
        paths.push(root.join(format!("lib/modules/{release}/build/vmlinux")));
        paths.push(root.join(format!("lib/modules/{release}/vmlinux")));
        paths.push(root.join(format!("boot/vmlinux-{release}")));
        paths
    }

    /// Where a linked kernel can be in a folder of debug information: as Debian, Ubuntu, Fedora and SUSE have it.
    fn linked_in(&self, debug: &Path, release: &str) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = [
            format!("boot/vmlinux-{release}"),
            format!("lib/modules/{release}/vmlinux"),
            format!("usr/lib/modules/{release}/vmlinux"),
            format!("usr/lib/modules/{release}/vmlinux.debug"),
            format!("boot/vmlinux-{release}.debug"),
            format!("vmlinux-{release}"),
        ]
        .iter()
        .map(|name| debug.join(name))
        .collect();
        if let Some((first, rest)) = self.build_id.split_first() {
            let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            paths.push(debug.join(format!(".build-id/{first:02x}/{rest}.debug")));
        }
        if self.wanted.debug.as_deref() == Some(debug) {
            paths.push(debug.join("vmlinux"));
        }
        paths
    }

    /// Where a bootable kernel can be.
    fn bootable(&self, release: &str) -> [PathBuf; 2] {
        let root = &self.wanted.root;
        [root.join(format!("boot/vmlinuz-{release}")), root.join(format!("lib/modules/{release}/vmlinuz"))]
    }

    fn module_folder(&mut self, release: &str) -> Option<PathBuf> {
        let folder = self.wanted.root.join(format!("lib/modules/{release}"));
        if folder.is_dir() {
            return Some(folder);
        }
        self.passed_over.push(format!("{}: no such folder", folder.display()));
        None
    }

    /// Where debug information of modules can be, in the same folders as the modules have.
    fn debug_folders(&self, release: &str) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for debug in self.wanted.debug.iter().cloned().chain([self.wanted.root.join("usr/lib/debug")]) {
            folders.push(debug.join(format!("lib/modules/{release}")));
            folders.push(debug.join(format!("usr/lib/modules/{release}")));
        }
        folders.extend(self.wanted.debug.clone());
        folders.retain(|folder| folder.is_dir());
        folders
    }

    /// An image that is there, can be read, and is of the build that is wanted.
    fn open(&mut self, path: &Path) -> Option<Image> {
        let why = if !path.exists() {
            "not there".to_owned()
        } else {
            match Image::open(path) {
                Ok(image) if self.build_id.is_empty() || image.build_id == self.build_id => return Some(image),
                Ok(_) => "of another build than the kernel".to_owned(),
                Err(error) => {
                    // It names the file itself.
                    self.passed_over.push(error.to_string());
                    return None;
                }
            }
        };
        self.passed_over.push(format!("{}: {why}", path.display()));
        None
    }

    /// Gives an image symbols: those that were asked for, or when it has none, those that the system has of it.
    fn with_symbols(&mut self, image: Image, of: Option<(&str, bool)>) -> Result<Image, Error> {
        if let Some(path) = &self.wanted.symbols {
            return image.with_symbols(path);
        }
        let Some((release, running)) = of.filter(|_| image.symbols.is_empty()) else { return Ok(image) };
        let mut texts = vec![self.wanted.root.join(format!("boot/System.map-{release}"))];
        if running {
            texts.push(PathBuf::from("/proc/kallsyms"));
        }
        for path in texts {
            match image.symbols_of(&path) {
                Ok(symbols) => return Ok(image.replace_symbols(symbols)),
                Err(error) => self.passed_over.push(error.to_string()),
            }
        }
        Ok(image)
    }
}

fn release_of_running() -> Result<String, Error> {
    let name = rustix::system::uname();
    let release = name.release().to_str();
    release.map(str::to_owned).map_err(|_| Error::Missing("the running kernel's release is no text".to_owned()))
}

/// The running kernel's build id; empty when it does not say.
pub fn build_id_of_running() -> Vec<u8> {
    fs::read("/sys/kernel/notes").ok().and_then(|notes| elf::build_id(&notes)).unwrap_or_default()
}

/// What the running kernel shows of itself: its types and its symbols.
fn described(release: &str, build_id: &[u8]) -> Result<Image, Error> {
    let types = PathBuf::from("/sys/kernel/btf/vmlinux");
    let data = Data::map(&types)?;
    let names = Path::new("/proc/kallsyms");
    let symbols = symbols_in_text(names, &Data::map(names)?)?;
    let section = Section {
        name: ".BTF".to_owned(),
        address: 0,
        size: data.len() as u64,
        loaded: false,
        executable: false,
        per_cpu: false,
        contents: Contents::File { part: 0, range: 0..data.len(), packing: Packing::None, relocations: Vec::new() },
    };
    let part = Part { path: types.clone(), data, values: Vec::new() };
    let mut image = Image::assemble(&types, Kind::Kernel, build_id.to_vec(), vec![section], symbols, vec![part]);
    image.said_release = Some(release.to_owned());
    Ok(image)
}
