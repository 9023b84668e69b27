//! A machine as `/proc` and `/sys/fs/cgroup` would show it, in a temporary folder.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

/// The fixture; its folder goes with it.
pub struct Machine(tempfile::TempDir);

impl Machine {
    /// A machine with these lines in mountinfo and no processes.
    pub fn new(mounts: &[&str]) -> Self {
        let machine = Self(tempfile::tempdir().expect("a temporary folder"));
        machine.file("proc/self/mountinfo", format!("{}\n", mounts.join("\n")).as_bytes());
        machine
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and the folders above it.
    pub fn file(&self, path: &str, bytes: &[u8]) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    /// Makes a symbolic link and the folders above it.
    pub fn link(&self, path: &str, target: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a link is in a folder")).expect("a folder");
        symlink(target, path).expect("a link");
    }

    /// A process whose parent is pid 1.
    pub fn process(&self, pid: u32, comm: &str, arguments: &[&str], cgroups: &str) {
        self.file(&format!("proc/{pid}/comm"), format!("{comm}\n").as_bytes());
        let line: String = arguments.iter().map(|word| format!("{word}\0")).collect();
        self.file(&format!("proc/{pid}/cmdline"), line.as_bytes());
        self.file(&format!("proc/{pid}/cgroup"), cgroups.as_bytes());
        self.parent(pid, comm, 1);
    }

    /// Sets a process's parent.
    pub fn parent(&self, pid: u32, comm: &str, parent: u32) {
        self.file(&format!("proc/{pid}/stat"), format!("{pid} ({comm}) S {parent} 0 0 0\n").as_bytes());
    }

    /// Makes a cgroup and returns its id.
    pub fn cgroup(&self, path: &str) -> u64 {
        let folder = self.root().join("sys/fs/cgroup").join(path);
        fs::create_dir_all(&folder).expect("a folder");
        fs::metadata(folder).expect("the folder").ino()
    }
}
