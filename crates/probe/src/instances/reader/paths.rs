//! Paths of files, from the names that the kernel keeps of them (dentries): step by step up to the root of the file system.
//!
//! Names change while they are read. Each step is believed when the kernel changed neither the name nor its directory meanwhile;
//! what does not lead to the root of the file system, or is no longer to be found by its name, has no path.

use super::Reader;
use std::collections::HashMap;
use std::sync::Arc;

/// Of a file with many names so many are looked at.
const MOST_NAMES: usize = 8;
/// Paths with more names than that, or longer ones, are not followed to their end. Who makes such files decides how deep they lie.
const DEEPEST: usize = 64;
const LONGEST_PATH: usize = 1024;

/// Directories by their dentries; without a slash at the end, the root is empty.
pub type Paths = HashMap<u64, Arc<str>>;

impl Reader {
    /// The path of an inode: the first of its names that has one.
    pub(super) fn path_of_inode(&self, at: u64) -> Option<String> {
        if self.small(at, self.fields.inode_links)? == 0 {
            return None;
        }
        let mut node = self.pointer(at, self.fields.inode_names)?;
        for _ in 0..MOST_NAMES {
            let dentry = node.checked_sub(self.fields.dentry_alias?)?;
            if self.pointer(dentry, self.fields.dentry_inode)? != at {
                return None;
            }
            if let Some(path) = self.path_of_dentry(dentry) {
                return Some(path);
            }
            // `struct hlist_node` begins with the next one.
            node = self.pointer(node, Some(0))?;
        }
        None
    }

    /// The path of a dentry.
    pub(super) fn path_of_dentry(&self, at: u64) -> Option<String> {
        let root = self.pointer(self.pointer(at, self.fields.dentry_volume)?, self.fields.volume_root)?;
        let path = self.path(at, root, DEEPEST)?;
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }

    fn path(&self, dentry: u64, root: u64, deepest: usize) -> Option<String> {
        let above = self.pointer(dentry, self.fields.dentry_parent)?;
        if dentry == root {
            // A root is its own parent (`IS_ROOT`).
            return (above == root).then(String::new);
        }
        let name = self.settled_name(dentry, above)?;
        let known = self.paths.borrow().get(&above).cloned();
        let folder = match known {
            Some(folder) => folder,
            None => {
                let folder: Arc<str> = self.path(above, root, deepest.checked_sub(1)?)?.into();
                self.paths.borrow_mut().insert(above, Arc::clone(&folder));
                folder
            }
        };
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let fits = path.len() <= LONGEST_PATH && path.bytes().filter(|&byte| byte == b'/').count() < DEEPEST;
        fits.then_some(path)
    }

    /// The name of a dentry in a directory, when it can be found there by it, and neither changed meanwhile.
    fn settled_name(&self, dentry: u64, above: u64) -> Option<String> {
        // While it is odd, somebody moves the dentry; when nobody has, it is the same as before.
        let sequence = self.small(dentry, self.fields.dentry_sequence).filter(|sequence| sequence % 2 == 0)?;
        // What is deleted, or was never more than a name for people, is in no list of names (`d_unhashed`).
        if above == dentry || self.number(dentry, self.fields.dentry_listed)? == 0 {
            return None;
        }
        let name = self.name(dentry).filter(|name| !name.contains('/'))?;
        let is_there = self.pointer(dentry, self.fields.dentry_parent)? == above;
        (is_there && self.small(dentry, self.fields.dentry_sequence)? == sequence).then_some(name)
    }
}
