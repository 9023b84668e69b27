//! Where studies and traces lie: folders of this machine, and folders of object stores, `s3://BUCKET/FOLDER`.
//!
//! A [`Place`] is one or the other. What an object store has is read through the `object_store` crate ([`Remote`]), with a
//! synchronous face: the tables in it are handed to the SQL engine as they are, the few small files beside them are read
//! whole. Nothing is ever written there.
//!
//! Who may read what, and where the store is, is said by the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
//! `AWS_REGION`, `AWS_ENDPOINT_URL` and so on); `docs/fleet.md` lists them.

mod driver;
mod failure;
mod place;
mod remote;

pub use place::Place;
pub use remote::{Found, Remote};
