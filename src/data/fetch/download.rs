//! One file over HTTP into its `.part`: the request, the answers that a server may give, and the bytes.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::path::Path;

use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body, Timeout};

use super::{Event, Limits};
use crate::{Error, Result};

/// Bytes that are received at a time.
const CHUNK: usize = 1 << 16;

/// Why a file did not arrive.
#[derive(Debug)]
pub enum Failure {
    /// The mirror or the way to it, as a lower-case fragment: another may be better.
    There(String),
    /// The disk: no mirror can help.
    Here(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// Asks servers within limits.
#[derive(Debug)]
pub struct Downloader {
    agent: Agent,
    limits: Limits,
}

impl Downloader {
    pub fn new(limits: Limits) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            // The published sum is over the stored bytes, so nobody may pack them on the way.
            .accept_encoding("identity")
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_recv_response(Some(limits.silence))
            .timeout_per_read(Some(limits.silence))
            .timeout_per_write(Some(limits.silence));
        Self { agent: config.build().into(), limits }
    }

    /// Fills `part` up from `url`; whether something of it was there and was gone on with.
    ///
    /// Returns with the bytes on the disk. After a failure of the connection, what has arrived stays.
    pub fn download(
        &self,
        url: &str,
        name: &str,
        part: &Path,
        observe: &mut dyn FnMut(&Event<'_>),
    ) -> Result<bool, Failure> {
        let there = match fs::metadata(part) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(Error::io("read", part)(error).into()),
        };
        let (start, response) = self.ask(url, there)?;
        refuse_page(&response)?;
        let total = response.body().content_length().map(|length| start.saturating_add(length));
        if let Some(total) = total.filter(|total| *total > self.limits.bytes) {
            return Err(self.too_large(&format!("announces {total} bytes")));
        }
        observe(&Event::Started { file: name, bytes: start, total });
        self.receive(response, start, part, observe)?;
        Ok(start > 0)
    }

    /// The answer to a request for what lies behind `there` bytes, and how many of them it goes on behind: all or none.
    fn ask(&self, url: &str, there: u64) -> Result<(u64, Response<Body>), Failure> {
        let mut request = self.agent.get(url);
        if is_local(url) {
            // A proxy cannot reach this machine under that name.
            request = request.config().proxy(None).build();
        }
        if there > 0 {
            request = request.header(header::RANGE, format!("bytes={there}-"));
        }
        let response = request.call().map_err(|error| self.broken(&error))?;
        match response.status() {
            StatusCode::OK => Ok((0, response)),
            StatusCode::PARTIAL_CONTENT if there > 0 && range_start(&response) == Some(there) => {
                Ok((there, response))
            }
            // Another range than the one asked for, or none behind what is there: from the start, then.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if there > 0 => self.ask(url, 0),
            status => Err(Failure::There(format!("answered {status}"))),
        }
    }

    /// Writes the body to `part` behind its first `start` bytes.
    fn receive(
        &self,
        response: Response<Body>,
        start: u64,
        part: &Path,
        observe: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(start > 0).truncate(start == 0);
        let mut file = options.open(part).map_err(Error::io("write", part))?;
        let mut body = response.into_body().into_reader();
        let (mut arrived, mut chunk) = (start, vec![0; CHUNK]);
        let end = loop {
            match body.read(&mut chunk) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    arrived += count as u64;
                    if arrived > self.limits.bytes {
                        fs::remove_file(part).map_err(Error::io("remove", part))?;
                        return Err(self.too_large("does not stop sending"));
                    }
                    file.write_all(&chunk[..count]).map_err(Error::io("write", part))?;
                    observe(&Event::Advanced { bytes: arrived });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    break Err(Failure::There(format!("broke off behind {arrived} bytes")));
                }
                Err(error) => break Err(self.broken(&ureq::Error::from(error))),
            }
        };
        file.sync_all().map_err(Error::io("sync", part))?;
        end
    }

    fn too_large(&self, what: &str) -> Failure {
        Failure::There(format!("{what}, where no file has more than {}", self.limits.bytes))
    }

    /// What went wrong with the connection, in plain words.
    fn broken(&self, error: &ureq::Error) -> Failure {
        Failure::There(match error {
            ureq::Error::HostNotFound => "there is no such host, or no network".into(),
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                format!("there was no connection within {} s", self.limits.connect.as_secs_f64())
            }
            ureq::Error::Timeout(_) => {
                format!("was silent for {} s", self.limits.silence.as_secs_f64())
            }
            ureq::Error::Io(error) => match error.kind() {
                ErrorKind::ConnectionRefused => "refused the connection".into(),
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => "broke the connection".into(),
                _ => error.to_string(),
            },
            other => other.to_string(),
        })
    }
}

/// `mirror` as a prefix of the addresses of files.
pub fn address(mirror: &str) -> Result<String> {
    let is_web = mirror
        .parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    if !is_web {
        return Err(Error::Request(format!(
            "\"{mirror}\" is no address of a mirror: expected one such as https://example.org/mnist/"
        )));
    }
    Ok(format!("{}/", mirror.trim_end_matches('/')))
}

/// A page where a file was asked for comes from a portal that wants a login, or from a mirror that is no more.
fn refuse_page(response: &Response<Body>) -> Result<(), Failure> {
    match response.body().mime_type() {
        Some(kind @ ("text/html" | "application/xhtml+xml")) => {
            Err(Failure::There(format!("sent a web page ({kind}) instead of the file")))
        }
        _ => Ok(()),
    }
}

/// The 5 of `content-range: bytes 5-9/10`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn is_local(url: &str) -> bool {
    let uri = url.parse::<Uri>();
    let host = uri.as_ref().ok().and_then(Uri::host).unwrap_or_default();
    let is_loopback = |host: &str| host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    host == "localhost" || is_loopback(host.trim_matches(['[', ']']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_in_a_slash_and_are_of_the_web() {
        assert_eq!(address("https://a.org/mnist").unwrap(), "https://a.org/mnist/");
        assert_eq!(address("http://a.org:8080/mnist//").unwrap(), "http://a.org:8080/mnist/");
        for wrong in
            ["", "a.org", "a.org/mnist", "ftp://a.org/", "/home/me", "file:///home/me", "http://", "a b"]
        {
            let error = address(wrong).unwrap_err();
            assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST, "{wrong}");
        }
    }

    #[test]
    fn this_machine_is_asked_without_a_proxy() {
        for local in ["http://localhost:1/a", "http://127.0.0.1:80/", "http://[::1]:80/a"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["http://localhost.org/", "https://10.0.0.1/", "http://[fe80::1]/", "nonsense"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
