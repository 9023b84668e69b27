//! A small S3 server for tests, on loopback: the folders of a folder are its buckets. It lists (`ListObjectsV2`, a few keys at
//! a time, so that every list goes on), answers `HEAD` and `GET`, with ranges, and asks for no credentials.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

/// How many keys a list has at most.
const PAGE: usize = 5;

/// A server; it ends with the test's process.
pub struct S3 {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The bytes of objects that were handed out.
    bytes: AtomicU64,
    requests: Mutex<Vec<String>>,
    objects: AtomicU64,
    hold: Option<(u64, Mutex<Sender<()>>)>,
}

impl Seen {
    /// Does not come back when no more requests for objects are answered.
    fn pass(&self) {
        let count = self.objects.fetch_add(1, Ordering::SeqCst);
        if let Some((_, sender)) = self.hold.as_ref().filter(|(after, _)| count >= *after) {
            // The test may have gone on already.
            let _ = sender.lock().unwrap().send(());
            loop {
                thread::park();
            }
        }
    }
}

impl S3 {
    /// Serves the folders of this folder.
    pub fn serve(folder: &Path) -> Self {
        Self::start(folder, Seen::default())
    }

    /// The same, but of so many requests for objects, no later one is answered; then the receiver gets a message.
    pub fn holding(folder: &Path, after: u64) -> (Self, Receiver<()>) {
        let (sender, receiver) = mpsc::channel();
        let hold = Some((after, Mutex::new(sender)));
        (Self::start(folder, Seen { hold, ..Seen::default() }), receiver)
    }

    fn start(folder: &Path, seen: Seen) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(seen);
        let (folder, known) = (folder.to_owned(), Arc::clone(&seen));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (folder, seen) = (folder.clone(), Arc::clone(&known));
                thread::spawn(move || answer_all(connection, &folder, &seen));
            }
        });
        Self { address, seen }
    }

    /// The variables with which a client finds it.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("AWS_ENDPOINT_URL", format!("http://{}", self.address)), ("AWS_SKIP_SIGNATURE", "true".into())]
    }

    /// How many bytes of objects were handed out.
    pub fn bytes(&self) -> u64 {
        self.seen.bytes.load(Ordering::SeqCst)
    }

    /// The requests so far, as `GET /bucket/key`.
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

/// Answers the requests of a connection until it ends.
fn answer_all(connection: TcpStream, folder: &Path, seen: &Seen) {
    let mut writer = connection.try_clone().unwrap();
    let mut reader = BufReader::new(connection);
    while let Some(request) = Request::read(&mut reader) {
        seen.requests.lock().unwrap().push(format!("{} {}", request.method, request.target));
        let reply = request.answer(folder);
        if reply.object {
            seen.pass();
        }
        if request.method == "GET" && reply.object {
            seen.bytes.fetch_add(reply.body.len() as u64, Ordering::SeqCst);
        }
        if reply.send(&mut writer, request.method == "HEAD").is_err() {
            return;
        }
    }
}

struct Request {
    method: String,
    target: String,
    range: Option<String>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut range, mut length) = (None, 0);
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "range" => range = Some(value.trim().to_owned()),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        Some(Self { method, target, range })
    }

    fn answer(&self, folder: &Path) -> Reply {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let path = decoded(path.trim_start_matches('/'));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let bucket = folder.join(bucket);
        if !bucket.is_dir() {
            return Reply::refused("404 Not Found", "NoSuchBucket", "The specified bucket does not exist");
        }
        if key.is_empty() { listed(&bucket, query) } else { self.object(&bucket.join(key)) }
    }

    fn object(&self, path: &Path) -> Reply {
        let Ok(content) = fs::read(path) else {
            return Reply::refused("404 Not Found", "NoSuchKey", "The specified key does not exist.");
        };
        let mut reply = Reply { status: "200 OK", object: true, ..Reply::default() };
        reply.headers = "Last-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\nETag: \"1\"\r\n".to_owned();
        let Some(range) = self.range.as_deref().and_then(|range| range.strip_prefix("bytes=")) else {
            reply.body = content;
            return reply;
        };
        let (first, last) = range.split_once('-').unwrap();
        let size = content.len();
        let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
            (Ok(first), Err(_)) => (first, size - 1),
            (Err(_), Ok(count)) => (size.saturating_sub(count), size - 1),
            (Err(_), Err(_)) => (size, size),
        };
        if first >= size {
            return Reply::refused(
                "416 Range Not Satisfiable",
                "InvalidRange",
                "The requested range is not satisfiable",
            );
        }
        reply.status = "206 Partial Content";
        reply.headers += &format!("Content-Range: bytes {first}-{last}/{size}\r\n");
        reply.body = content[first..=last].to_vec();
        reply
    }
}

#[derive(Default)]
struct Reply {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
    object: bool,
}

impl Reply {
    fn refused(status: &'static str, code: &str, message: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>").into_bytes();
        Self { status, body, ..Self::default() }
    }

    fn send(&self, writer: &mut impl Write, head: bool) -> std::io::Result<()> {
        let Self { status, headers, body, .. } = self;
        let mut out = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        if !head {
            out.extend(body);
        }
        writer.write_all(&out)
    }
}

/// `ListObjectsV2`.
fn listed(bucket: &Path, query: &str) -> Reply {
    let parameter = |name: &str| {
        let parameters = query.split('&').filter_map(|part| part.split_once('='));
        parameters.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value)).unwrap_or_default()
    };
    let (prefix, delimiter, after) = (parameter("prefix"), parameter("delimiter"), parameter("continuation-token"));
    let mut keys = Vec::new();
    keys_below(bucket, bucket, &mut keys);
    // Keys, and what keys have in common up to the delimiter, in one order.
    let entries: BTreeSet<(String, bool)> = keys
        .into_iter()
        .filter(|key| key.starts_with(&prefix))
        .map(|key| match key[prefix.len()..].split_once(&*delimiter) {
            Some((first, _)) if !delimiter.is_empty() => (format!("{prefix}{first}{delimiter}"), true),
            _ => (key, false),
        })
        .filter(|(key, _)| *key > after)
        .collect();
    let mut body = "<ListBucketResult>".to_owned();
    for (key, common) in entries.iter().take(PAGE) {
        let shown = key.replace('&', "&amp;").replace('<', "&lt;");
        if *common {
            body += &format!("<CommonPrefixes><Prefix>{shown}</Prefix></CommonPrefixes>");
            continue;
        }
        let size = fs::metadata(bucket.join(key)).unwrap().len();
        body += &format!(
            "<Contents><Key>{shown}</Key><LastModified>2026-11-22T00:00:00.000Z</LastModified><ETag>1</ETag><Size>{size}</Size></Contents>"
        );
    }
    if let Some((next, _)) = entries.iter().nth(PAGE - 1).filter(|_| entries.len() > PAGE) {
        let next = next.replace('&', "&amp;").replace('<', "&lt;");
        body += &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>");
    }
    body += "</ListBucketResult>";
    Reply { status: "200 OK", body: body.into_bytes(), ..Reply::default() }
}

fn keys_below(bucket: &Path, folder: &Path, keys: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path: PathBuf = entry.path();
        if path.is_dir() {
            keys_below(bucket, &path, keys);
        } else {
            keys.push(path.strip_prefix(bucket).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// Text without `%20` and the like.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
