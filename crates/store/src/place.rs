//! A folder, wherever it lies.

use crate::remote::Remote;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A folder, wherever it lies.
#[derive(Clone, Debug)]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In an object store.
    Remote(Remote),
}

impl Place {
    /// The folder that was named on a command line: a path, or an address that begins with `s3://`.
    pub fn named(name: &Path) -> io::Result<Self> {
        match name.to_str() {
            Some(address) if Remote::is_address(address) => Ok(Self::Remote(Remote::open(address)?)),
            _ => Ok(Self::Local(name.to_owned())),
        }
    }

    /// A folder in it.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(name)),
            Self::Remote(remote) => Self::Remote(remote.join(name)),
        }
    }

    /// Its own name, without those of the folders around it.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Local(path) => Some(path.file_name()?.to_string_lossy().into_owned()),
            Self::Remote(remote) => Some(remote.name().to_owned()),
        }
    }

    /// Its address as a URL, `file:///FOLDER` or `s3://BUCKET/FOLDER`: the same for all machines that see it under one address.
    pub fn url(&self) -> io::Result<String> {
        match self {
            Self::Local(path) => Ok(format!("file://{}", in_url(std::path::absolute(path)?.as_os_str().as_bytes()))),
            Self::Remote(remote) => Ok(remote.url()),
        }
    }

    /// The names of the folders in it; those that are not text are left out. A store does not know folders without files:
    /// there it is empty when it does not exist.
    pub fn folders(&self) -> io::Result<Vec<String>> {
        let path = match self {
            Self::Local(path) => path,
            Self::Remote(remote) => return remote.folders(),
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// A whole file in it.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        match self {
            Self::Local(path) => fs::read(path.join(name)),
            Self::Remote(remote) => remote.read(name),
        }
    }
}

/// A path as it is written in a URL, in which some letters are `%20` and the like.
pub(crate) fn in_url(path: &[u8]) -> String {
    let mut url = String::new();
    for &byte in path {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

impl Default for Place {
    fn default() -> Self {
        Self::Local(PathBuf::new())
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::Local(path.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_into_a_url_so_that_it_is_read_back() {
        assert_eq!(Place::Local("/srv/one day*/#1".into()).url().unwrap(), "file:///srv/one%20day%2A/%231");
    }
}
