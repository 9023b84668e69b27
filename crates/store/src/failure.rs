//! What an object store says when it refuses, in words for people.

use object_store::Error;
use std::error::Error as _;
use std::io::{self, ErrorKind};

/// The server of a cloud's machine that gives out credentials: the last that is asked for some.
const METADATA: &str = "169.254.169.254";
/// Longer than what a server has to say.
const LONGEST: usize = 300;

/// An error of a store as one of the operating system's kind, so that a missing object is as missing as a missing file.
pub(crate) fn io_error(error: &Error, endpoint: &str) -> io::Error {
    let kind = match error {
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, format!("{} (asked {endpoint})", cause(error)))
}

/// The part of an error's long story that tells the cause.
fn cause(error: &Error) -> String {
    let whole = error.to_string();
    if whole.contains(METADATA) {
        return "there are no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and this machine has no \
            metadata service that gives some; AWS_SKIP_SIGNATURE=true asks without any"
            .to_owned();
    }
    // What the server answered; else what happened on the way to it, which is at the end of the chain.
    let answer = between(&whole, "<Code>", "</Code>").map(|code| match between(&whole, "<Message>", "</Message>") {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    });
    let last = || {
        let mut last = error.source();
        while let Some(next) = last.and_then(|error| error.source()) {
            last = Some(next);
        }
        last.map_or(whole.clone(), ToString::to_string)
    };
    // A server may say anything, to a terminal as well.
    let told = answer.unwrap_or_else(last);
    told.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST).collect()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn what_the_server_answers_is_told() {
        let xml = "Server returned 404: <Error><Code>NoSuchBucket</Code><Message>It is\x1b[31m not</Message></Error>";
        let error = io_error(&generic(xml), "http://here");
        assert_eq!(error.to_string(), "NoSuchBucket: It is [31m not (asked http://here)");
    }

    #[test]
    fn missing_credentials_are_named() {
        let text = "Error performing PUT http://169.254.169.254/latest/api/token in 1s - Server returned 403 Forbidden";
        assert!(io_error(&generic(text), "http://here").to_string().contains("AWS_ACCESS_KEY_ID"));
    }

    #[test]
    fn without_an_answer_the_innermost_cause_is_told() {
        let error = Error::NotFound { path: "a".into(), source: io::Error::other("no route").into() };
        let error = io_error(&error, "http://here");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, "no route (asked http://here)".into()));
    }
}
