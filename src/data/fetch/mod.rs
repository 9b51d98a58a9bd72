//! Data sets that mirrors publish: which files, from which addresses, and how they get into a folder.
//!
//! Under its own name a file is whole and has the published sum, or it is not there. What has arrived so far
//! lies beside it in a `.part`, which any later call goes on with, from any mirror. Nothing here knows of
//! a terminal: what happens is told to a closure as [`Event`]s.

mod download;
mod lock;
#[cfg(test)]
mod server;
mod target;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::download::{Downloader, Failure};
use self::target::{Found, Target};
use super::{fashion_mnist, idx, mnist};
use crate::{Error, Result};

/// What [`Remote::named`] finds.
pub const REMOTES: [&Remote<'static>; 2] = [&mnist::REMOTE, &fashion_mnist::REMOTE];

/// A file that mirrors publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteFile<'a> {
    /// What it is called behind a mirror's address and in the folder; packed files end in `.gz`.
    pub name: &'a str,
    /// The MD5 sum over its bytes as they are stored, 32 lower-case hex digits.
    pub md5: &'a str,
}

/// A data set that can be had from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote<'a> {
    /// As `data.source` has it, and the folder in the cache.
    pub name: &'a str,
    /// In the order in which they are fetched.
    pub files: &'a [RemoteFile<'a>],
    /// Public addresses, each ending in `/`, in the order in which they are asked.
    pub mirrors: &'a [&'a str],
}

/// What no server gets us to exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For finding the host, and again for the connection to it.
    pub connect: Duration,
    /// Without a single byte; there is no limit on the whole download.
    pub silence: Duration,
    /// The largest file in bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// 10 s, 20 s, and 64 MiB: more than twice the largest file of all [`REMOTES`].
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(20), bytes: 64 << 20 }
    }
}

/// What happens during [`Remote::fetch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Another process fetches into the same folder; its end is waited for.
    Waiting,
    /// A file is there already and is left alone. Unpacked ones have no published sum and are not checked.
    Kept {
        /// The file's name as it is published.
        file: &'a str,
        /// Whether it lies there without its `.gz`.
        unpacked: bool,
    },
    /// A file is there with another sum than the published one, and will be replaced.
    Damaged {
        /// Its name.
        file: &'a str,
        /// The sum that it has.
        md5: &'a str,
    },
    /// A mirror has begun to send.
    Started {
        /// The file's name.
        file: &'a str,
        /// How much of it is there from earlier.
        bytes: u64,
        /// The size of the whole file, if the mirror says so.
        total: Option<u64>,
    },
    /// More has arrived.
    Advanced {
        /// How much of the file is there now.
        bytes: u64,
    },
    /// A mirror does not have the file, or not the right one; the next is asked.
    Refused {
        /// The address of the file.
        url: &'a str,
        /// A lower-case fragment.
        reason: &'a str,
    },
    /// A file is complete, checked and in its place.
    Fetched {
        /// Its name.
        file: &'a str,
        /// Its size.
        bytes: u64,
    },
}

impl Remote<'_> {
    /// The one of [`REMOTES`] that is called so.
    pub fn named(name: &str) -> Option<&'static Remote<'static>> {
        REMOTES.into_iter().find(|remote| remote.name == name)
    }

    /// Where the source of this name looks for its files unless `data.path` is set.
    pub fn folder(&self) -> Result<PathBuf> {
        idx::cache(self.name).ok_or_else(|| {
            Error::Environment(format!(
                "there is no home folder to keep {} in: choose one with `--to`",
                self.name
            ))
        })
    }

    /// Gets every file into `folder` that is not there yet, from `mirrors` or else the public ones.
    ///
    /// Fails with an [`Error::Request`] on an address that is none, with an [`Error::Environment`] that says
    /// how to get the files by hand when no mirror has one of them, and with an [`Error::Io`] on
    /// a disk that does not take it.
    pub fn fetch(
        &self,
        folder: &Path,
        mirrors: &[String],
        limits: Limits,
        observe: &mut dyn FnMut(&Event<'_>),
    ) -> Result<()> {
        let mirrors: Vec<String> = if mirrors.is_empty() {
            self.mirrors.iter().map(|&mirror| mirror.to_owned()).collect()
        } else {
            mirrors.iter().map(|mirror| download::address(mirror)).collect::<Result<_>>()?
        };
        let downloader = Downloader::new(limits);
        let mut lock = None;
        for file in self.files {
            let target = Target::new(folder, file);
            let mut found = target.look()?;
            // Files that are all there need no lock, and so no right to write in their folder.
            if lock.is_none() && !found.is_usable() {
                lock = Some(lock::acquire(folder, || observe(&Event::Waiting))?);
                found = target.look()?;
            }
            match found {
                Found::Packed => observe(&Event::Kept { file: file.name, unpacked: false }),
                Found::Unpacked => observe(&Event::Kept { file: file.name, unpacked: true }),
                Found::Nothing => self.obtain(file, folder, &mirrors, &downloader, observe)?,
                Found::Damaged { md5 } => {
                    observe(&Event::Damaged { file: file.name, md5: &md5 });
                    self.obtain(file, folder, &mirrors, &downloader, observe)?;
                }
            }
        }
        Ok(())
    }

    /// Asks one mirror after the other for a file.
    fn obtain(
        &self,
        file: &RemoteFile<'_>,
        folder: &Path,
        mirrors: &[String],
        downloader: &Downloader,
        observe: &mut dyn FnMut(&Event<'_>),
    ) -> Result<()> {
        let target = Target::new(folder, file);
        let mut refusals = Vec::new();
        for (at, mirror) in mirrors.iter().enumerate() {
            let url = format!("{mirror}{}", file.name);
            match attempt(&url, file, &target, downloader, observe) {
                Ok(bytes) => {
                    observe(&Event::Fetched { file: file.name, bytes });
                    return Ok(());
                }
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::There(reason)) => {
                    if at + 1 < mirrors.len() {
                        observe(&Event::Refused { url: &url, reason: &reason });
                    }
                    refusals.push(format!("{url}: {reason}"));
                }
            }
        }
        Err(self.by_hand(file, folder, &refusals))
    }

    /// Why there is no `file`, and how the files get into `folder` without us.
    fn by_hand(&self, file: &RemoteFile<'_>, folder: &Path, refusals: &[String]) -> Error {
        let mut text = format!("{} could not be fetched", file.name);
        for refusal in refusals {
            let _ = write!(text, "\n  {refusal}");
        }
        if Target::new(folder, file).begun() > 0 {
            text.push_str("\nWhat has arrived is kept: the same command goes on behind it.");
        }
        let _ = write!(
            text,
            "\nThe files can be saved by hand, with a browser, packed or not. Their folder is\n  {}\nor any other that \
             `data.path` points to. They are at",
            folder.display()
        );
        if let Some((first, others)) = self.mirrors.split_first() {
            for file in self.files {
                let _ = write!(text, "\n  {first}{}", file.name);
            }
            for other in others {
                let _ = write!(text, "\nand under the same names at {other}");
            }
        }
        Error::Environment(text)
    }
}

/// Gets the file from one address; its size.
fn attempt(
    url: &str,
    file: &RemoteFile<'_>,
    target: &Target,
    downloader: &Downloader,
    observe: &mut dyn FnMut(&Event<'_>),
) -> Result<u64, Failure> {
    loop {
        let resumed = downloader.download(url, file.name, target.part(), observe)?;
        let found = target.settle()?;
        match found {
            Ok(bytes) => return Ok(bytes),
            // The fault may lie in what was there from earlier, and then it is not this mirror's.
            Err(_) if resumed => {}
            Err(md5) => {
                return Err(Failure::There(format!(
                    "sent another file: its MD5 sum is {md5}, the published one {}",
                    file.md5
                )));
            }
        }
    }
}
