//! `lima record` beside a test.

use super::{LIMA, shown};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// A recorder that runs. Killed when dropped.
#[derive(Debug)]
pub struct Recording {
    child: Child,
    errors: BufReader<ChildStderr>,
    said: String,
    /// Where the trace lies.
    pub trace: PathBuf,
}

impl Recording {
    /// Starts a recorder and waits until it says that it records.
    pub fn start<A: AsRef<OsStr>>(trace: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut recording = Self::launch(trace, arguments);
        assert!(recording.wait_for("recording"), "the recorder does not start: {}", recording.said);
        recording
    }

    /// Starts a recorder.
    pub fn launch<A: AsRef<OsStr>>(trace: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(LIMA);
        command.arg("record").arg("-o").arg(trace).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self { child, errors, said: String::new(), trace: trace.to_owned() }
    }

    /// Reads on until a line contains `word`; `false` when the recorder ends before.
    pub fn wait_for(&mut self, word: &str) -> bool {
        let mut line = String::new();
        while self.errors.read_line(&mut line).unwrap() > 0 {
            self.said.push_str(&line);
            if line.contains(word) {
                return true;
            }
            line.clear();
        }
        false
    }

    /// The recorder's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends the recorder by Ctrl-C, and takes care that it ends well.
    pub fn finish(self) -> PathBuf {
        self.signal(rustix::process::Signal::INT);
        let trace = self.trace.clone();
        let (status, said) = self.end();
        assert!(status.success(), "the recorder failed: {status}: {said}");
        trace
    }

    /// Waits for the end of the recorder; its exit status and all that it said.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut rest = Vec::new();
        self.errors.read_to_end(&mut rest).unwrap();
        self.said.push_str(&shown(&rest));
        (self.child.wait().unwrap(), std::mem::take(&mut self.said))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
