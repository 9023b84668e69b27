//! What the module answers, as types.

use serde::{Deserialize, Serialize};

/// The answer to a command that did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When it began, by `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// When all threads had ended.
    pub ended_ns: u64,
    /// Whether everything was done before the deadline.
    pub complete: bool,
    /// Who did it.
    pub threads: Vec<Thread>,
}

impl Answer {
    /// What all threads did, with the thread.
    pub fn rows(&self) -> impl Iterator<Item = (&Thread, &Row)> {
        self.threads.iter().flat_map(|thread| thread.takes.iter().map(move |row| (thread, row)))
    }
}

/// What one thread did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id as the kernel counts.
    pub tid: u32,
    /// Its part: `taker`, `holder`, `waiter`, `failer`, `releaser`, `churner`.
    pub role: String,
    /// The CPU that it kept to; -1: any.
    pub cpu: i32,
    /// What it did with each lock, or kind of lock.
    pub takes: Vec<Row>,
    /// The first turns one by one, where there is a holder.
    #[serde(default)]
    pub rounds: Vec<Round>,
    /// Where the first objects were, where objects come and go.
    #[serde(default)]
    pub objects: Vec<String>,
}

/// What one thread did with one lock, or kind of lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The name of the lock.
    pub lock: String,
    /// Where it is; kinds of locks are nowhere.
    #[serde(default, with = "address")]
    pub address: Option<u64>,
    /// Its type.
    #[serde(rename = "type")]
    pub lock_type: String,
    /// What it protects.
    pub object: String,
    /// The way that it was taken.
    pub by: String,
    /// The lock function.
    pub function: String,
    /// `exclusive`, `read` or `write`.
    pub mode: String,
    /// `task`, `irqs_off`, `bh_off`, `softirq` or `hardirq`.
    pub context: String,
    /// The function that called the lock function.
    pub site: String,
    /// The function that lets go.
    pub release: String,
    /// The function that called that one.
    pub release_site: String,
    /// How many such locks were initialised.
    #[serde(default)]
    pub inits: u64,
    /// The function that did it.
    #[serde(default)]
    pub init_site: Option<String>,
    /// How often it was tried.
    pub tries: u64,
    /// How often that went well.
    pub acquisitions: u64,
    /// How often it did not.
    pub failures: u64,
    /// From the call until it returned with the lock.
    pub wait: Span,
    /// From the call until it returned without.
    pub failed_wait: Span,
    /// From that return until the call that let go, or downgraded.
    pub hold: Span,
    /// The function that called `downgrade_write`.
    #[serde(default)]
    pub downgrade_site: Option<String>,
    /// From the return of `downgrade_write` until the call that let go.
    #[serde(default)]
    pub read_hold: Span,
}

/// Lengths of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How many.
    pub count: u64,
    /// All together.
    pub sum_ns: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// One turn; a time that did not come is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The call.
    pub began_ns: u64,
    /// It returned with the lock.
    pub taken_ns: u64,
    /// The call that let go.
    pub dropped_ns: u64,
}

/// The answer to `list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// All locks.
    pub locks: Vec<Listed>,
}

/// A lock that commands can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub lock: String,
    /// Where it is.
    #[serde(default, with = "address")]
    pub address: Option<u64>,
    /// Its type.
    #[serde(rename = "type")]
    pub lock_type: String,
    /// What it protects.
    pub object: String,
    /// From which context it may be taken: `task`, `softirq` or `hardirq`.
    pub level: String,
    /// The slab cache of the object.
    #[serde(default)]
    pub cache: Option<String>,
    /// The ways to take it.
    pub ways: Vec<Way>,
}

/// A way to take a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Its name.
    pub by: String,
    /// `exclusive`, `read` or `write`.
    pub mode: String,
    /// The function that calls the lock function.
    pub site: String,
    /// The function that lets go.
    pub release: String,
    /// The function that calls that one.
    pub release_site: String,
}

/// Addresses are text in JSON, which has no integers of 64 bits.
mod address {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands it over like that")]
    pub(super) fn serialize<S: Serializer>(address: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => to.serialize_str(&format!("{address:#x}")),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom("an address begins with 0x"))?;
        u64::from_str_radix(digits, 16).map(Some).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_module_is_read() {
        let text = r#"{"module":"lima_locks","version":1,"began_ns":1,"ended_ns":2,"complete":true,"threads":[
{"tid":92,"role":"taker","cpu":0,"takes":[{"lock":"box.mutex","address":"0xff1430889229e008","type":"mutex",
"object":"lima_box.mutex","by":"mutex_lock","function":"mutex_lock","mode":"exclusive","context":"task",
"site":"lima_site_mutex_lock","release":"mutex_unlock","release_site":"lima_site_mutex_unlock","tries":10,
"acquisitions":9,"failures":1,"wait":{"count":9,"sum_ns":5,"min_ns":0,"max_ns":2},
"failed_wait":{"count":1,"sum_ns":1,"min_ns":1,"max_ns":1},"hold":{"count":9,"sum_ns":7,"min_ns":0,"max_ns":3}}]}]}"#;
        let answer: Answer = serde_json::from_str(text).unwrap();
        let (thread, row) = answer.rows().next().unwrap();
        assert_eq!((thread.tid, thread.cpu), (92, 0));
        assert_eq!(row.address, Some(0xff14_3088_9229_e008));
        assert_eq!((row.tries, row.acquisitions, row.failures), (10, 9, 1));
        let again: Answer = serde_json::from_str(&serde_json::to_string(&answer).unwrap()).unwrap();
        assert_eq!(again, answer);
    }
}
