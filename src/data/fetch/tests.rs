//! Fetching from servers on this machine that behave, or do not.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::server::{Request, Server, send};
use super::*;

/// Both with `printf … | md5sum`.
const FILES: [RemoteFile<'static>; 2] = [
    RemoteFile { name: "images.gz", md5: "781e5e245d69b566979b86e28d23f2c7" },
    RemoteFile { name: "labels.gz", md5: "900150983cd24fb0d6963f7d28e17f72" },
];
const IMAGES: &[u8] = b"0123456789";
const LABELS: &[u8] = b"abc";
const REMOTE: Remote<'static> = Remote {
    name: "toy",
    files: &FILES,
    mirrors: &["https://first.invalid/toy/", "https://second.invalid/toy/"],
};
/// Short enough for a test, long enough for a machine with much to do.
const SILENCE: Duration = Duration::from_millis(500);
const LIMITS: Limits = Limits { connect: Duration::from_secs(5), silence: SILENCE, bytes: 1000 };

fn content(request: &Request) -> &'static [u8] {
    if request.path.ends_with("/images.gz") { IMAGES } else { LABELS }
}

/// As a good server does.
fn serve(request: &Request, stream: &mut TcpStream) {
    let content = content(request);
    let length = |body: &[u8]| format!("content-length: {}\r\n", body.len());
    match request.range {
        None => send(stream, "200 OK", &length(content), content),
        Some(start) if start < content.len() => {
            let (body, end, size) = (&content[start..], content.len() - 1, content.len());
            let headers = format!("{}content-range: bytes {start}-{end}/{size}\r\n", length(body));
            send(stream, "206 Partial Content", &headers, body);
        }
        Some(_) => send(stream, "416 Range Not Satisfiable", "content-length: 0\r\n", b""),
    }
}

/// A folder, what is fetched into it, and what was said.
struct Fetch {
    folder: tempfile::TempDir,
    said: Vec<String>,
}

impl Fetch {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), said: Vec::new() }
    }

    fn from(&mut self, mirrors: &[&str]) -> Result<()> {
        let mirrors: Vec<String> = mirrors.iter().map(|&mirror| mirror.to_owned()).collect();
        REMOTE.fetch(self.folder.path(), &mirrors, LIMITS, &mut |event| {
            if !matches!(event, Event::Advanced { .. }) {
                self.said.push(format!("{event:?}"));
            }
        })
    }

    /// The error of a fetch from `server` alone.
    fn refused(&mut self, server: &Server) -> String {
        let error = self.from(&[&server.url()]).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_ENVIRONMENT);
        assert!(!self.folder.path().join("images.gz").exists());
        error.to_string()
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join(name)).ok()
    }

    fn assert_complete(&self) {
        assert_eq!(self.read("images.gz").unwrap(), IMAGES);
        assert_eq!(self.read("labels.gz").unwrap(), LABELS);
        for file in FILES {
            assert_eq!(self.read(&format!("{}.part", file.name)), None);
        }
    }

    fn has_said(&self, part: &str) -> bool {
        self.said.iter().any(|text| text.contains(part))
    }
}

fn request(path: &str, range: Option<usize>) -> Request {
    Request { path: path.into(), range }
}

#[test]
fn files_are_fetched_once() {
    let server = Server::start(serve);
    let mut fetch = Fetch::new();
    let mirror = format!("{}deep/in", server.url());
    fetch.from(&[&mirror]).unwrap();
    fetch.assert_complete();
    let wanted = [request("/deep/in/images.gz", None), request("/deep/in/labels.gz", None)];
    assert_eq!(server.requests(), wanted);
    assert_eq!(
        fetch.said,
        [
            "Started { file: \"images.gz\", bytes: 0, total: Some(10) }",
            "Fetched { file: \"images.gz\", bytes: 10 }",
            "Started { file: \"labels.gz\", bytes: 0, total: Some(3) }",
            "Fetched { file: \"labels.gz\", bytes: 3 }",
        ]
    );
    fetch.said.clear();
    fetch.from(&[&mirror]).unwrap();
    assert_eq!(server.requests().len(), 2, "what is there is not asked for");
    assert_eq!(
        fetch.said,
        ["Kept { file: \"images.gz\", unpacked: false }", "Kept { file: \"labels.gz\", unpacked: false }"]
    );
}

#[test]
fn an_unpacked_file_is_left_alone_and_a_damaged_one_replaced() {
    let server = Server::start(serve);
    let mut fetch = Fetch::new();
    fetch.write("images", b"unpacked");
    fetch.write("labels.gz", b"abd");
    fetch.from(&[&server.url()]).unwrap();
    assert_eq!(fetch.read("images").unwrap(), b"unpacked");
    assert_eq!(fetch.read("images.gz"), None);
    assert_eq!(fetch.read("labels.gz").unwrap(), LABELS);
    assert!(fetch.has_said("Kept { file: \"images.gz\", unpacked: true }"), "{:?}", fetch.said);
    // `printf abd | md5sum`
    assert!(fetch.has_said("Damaged { file: \"labels.gz\", md5: \"4911e516e5aa21d327512e0c8b197616\" }"));
}

#[test]
fn a_damaged_file_stays_until_there_is_a_better_one() {
    let server = Server::start(|_, stream| send(stream, "404 Not Found", "", b""));
    let mut fetch = Fetch::new();
    fetch.write("images", b"");
    fetch.write("labels.gz", b"abd");
    fetch.from(&[&server.url()]).unwrap_err();
    assert_eq!(fetch.read("labels.gz").unwrap(), b"abd");
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let server = Server::start(|request, stream| match request.range {
        None => send(stream, "200 OK", "content-length: 10\r\n", b"0123"),
        Some(_) => serve(request, stream),
    });
    let mut fetch = Fetch::new();
    fetch.write("labels", b"");
    let text = fetch.refused(&server);
    assert!(text.contains("images.gz: broke off behind 4 bytes"), "{text}");
    assert!(text.contains("the same command goes on behind it"), "{text}");
    assert_eq!(fetch.read("images.gz.part").unwrap(), b"0123");
    fetch.from(&[&server.url()]).unwrap();
    assert_eq!(fetch.read("images.gz").unwrap(), IMAGES);
    assert_eq!(server.requests(), [request("/images.gz", None), request("/images.gz", Some(4))]);
    assert!(fetch.has_said("Started { file: \"images.gz\", bytes: 4, total: Some(10) }"), "{:?}", fetch.said);
}

#[test]
fn another_mirror_goes_on_where_the_first_was_cut() {
    let cut = Server::start(|_, stream| {
        send(stream, "200 OK", "transfer-encoding: chunked\r\n", b"4\r\n0123\r\n");
    });
    let good = Server::start(serve);
    let mut fetch = Fetch::new();
    fetch.write("labels", b"");
    fetch.from(&[&cut.url(), &good.url()]).unwrap();
    assert_eq!(good.requests(), [request("/images.gz", Some(4))]);
    assert!(fetch.has_said("broke off behind 4 bytes"), "{:?}", fetch.said);
}

#[test]
fn a_server_that_cannot_go_on_starts_over() {
    let ignores = Server::start(|request, stream| {
        serve(&Request { range: None, ..request.clone() }, stream);
    });
    let elsewhere = Server::start(|request, stream| {
        if request.range.is_none() {
            return serve(request, stream);
        }
        let headers = "content-length: 9\r\ncontent-range: bytes 1-9/10\r\n";
        send(stream, "206 Partial Content", headers, &IMAGES[1..]);
    });
    let unsatisfiable = Server::start(|request, stream| match request.range {
        None => serve(request, stream),
        Some(_) => send(stream, "416 Range Not Satisfiable", "", b""),
    });
    for (server, requests) in [(ignores, 1), (elsewhere, 2), (unsatisfiable, 2)] {
        let mut fetch = Fetch::new();
        fetch.write("labels", b"");
        fetch.write("images.gz.part", b"0123");
        fetch.from(&[&server.url()]).unwrap();
        assert_eq!(fetch.read("images.gz").unwrap(), IMAGES);
        assert_eq!(server.requests().len(), requests);
        assert_eq!(server.requests()[0].range, Some(4));
    }
}

#[test]
fn a_part_of_something_else_is_not_the_mirrors_fault() {
    let server = Server::start(serve);
    let mut fetch = Fetch::new();
    fetch.write("images.gz.part", b"else");
    fetch.write("labels.gz.part", b"longer than the file");
    fetch.from(&[&server.url()]).unwrap();
    fetch.assert_complete();
    let ranges: Vec<_> = server.requests().iter().map(|request| request.range).collect();
    assert_eq!(ranges, [Some(4), None, Some(20), None]);
}

#[test]
fn wrong_bytes_are_told_apart_and_the_next_mirror_is_asked() {
    let wrong = Server::start(|_, stream| send(stream, "200 OK", "content-length: 3\r\n", b"abd"));
    let gone = Server::start(|_, stream| send(stream, "404 Not Found", "", b"no"));
    let page = Server::start(|_, stream| {
        send(stream, "200 OK", "content-type: text/html; charset=utf-8\r\n", b"<html>please log in</html>");
    });
    let good = Server::start(serve);
    let mut fetch = Fetch::new();
    fetch.write("labels", b"");
    let text = fetch.refused(&wrong);
    assert!(text.contains("its MD5 sum is 4911e516e5aa21d327512e0c8b197616"), "{text}");
    assert!(text.contains("the published one 781e5e245d69b566979b86e28d23f2c7"), "{text}");
    assert_eq!(fetch.read("images.gz.part"), None);
    fetch.from(&[&gone.url(), &wrong.url(), &page.url(), &good.url()]).unwrap();
    assert_eq!(fetch.read("images.gz").unwrap(), IMAGES);
    for reason in ["answered 404 Not Found", "sent another file", "sent a web page (text/html)"] {
        assert!(fetch.has_said(reason), "{reason} is not in {:?}", fetch.said);
    }
}

#[test]
fn lengths_that_are_no_truth_do_no_harm() {
    // More than was announced: the rest is not read. Less of the file than there is: its sum is wrong.
    let more = Server::start(|request, stream| {
        let content = content(request);
        let length = format!("content-length: {}\r\n", content.len());
        send(stream, "200 OK", &length, &[content, b"more"].concat());
    });
    let mut fetch = Fetch::new();
    fetch.from(&[&more.url()]).unwrap();
    fetch.assert_complete();
    let mut fetch = Fetch::new();
    let short = Server::start(|_, stream| send(stream, "200 OK", "content-length: 9\r\n", IMAGES));
    assert!(fetch.refused(&short).contains("sent another file"));
    let huge = Server::start(|_, stream| send(stream, "200 OK", "content-length: 1001\r\n", b""));
    assert!(fetch.refused(&huge).contains("announces 1001 bytes, where no file has more than 1000"));
    let absurd = Server::start(|_, stream| {
        send(stream, "200 OK", "content-length: 18446744073709551615\r\n", b"");
    });
    fetch.refused(&absurd);
    let nonsense = Server::start(|_, stream| send(stream, "200 OK", "content-length: -1\r\n", b""));
    fetch.refused(&nonsense);
    assert_eq!(fetch.read("images.gz.part"), None);
}

#[test]
fn a_body_without_end_is_cut_off() {
    let server = Server::start(|_, stream| {
        send(stream, "200 OK", "", b"");
        while stream.write_all(&[0; 100]).is_ok() {}
    });
    let mut fetch = Fetch::new();
    let text = fetch.refused(&server);
    assert!(text.contains("does not stop sending"), "{text}");
    assert_eq!(fetch.read("images.gz.part"), None);
}

#[test]
fn silence_ends_within_its_limit() {
    const LONG: Duration = Duration::from_secs(20);
    let mute = Server::start(|_, _| std::thread::sleep(LONG));
    let midway = Server::start(|_, stream| {
        send(stream, "200 OK", "content-length: 10\r\n", b"01");
        std::thread::sleep(LONG);
    });
    // Listens, so that there is a connection, and never takes it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = format!("http://{}/", listener.local_addr().unwrap());
    let mut fetch = Fetch::new();
    let started = Instant::now();
    for mirror in [mute.url(), midway.url(), deaf] {
        let text = fetch.from(&[&mirror]).unwrap_err().to_string();
        assert!(text.contains("images.gz: was silent for 0.5 s"), "{text}");
    }
    assert!(started.elapsed() >= 3 * SILENCE);
    assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
    assert_eq!(fetch.read("images.gz.part").unwrap(), b"01");
}

#[test]
fn a_slow_server_is_not_a_silent_one() {
    let server = Server::start(|request, stream| {
        let content = content(request);
        send(stream, "200 OK", &format!("content-length: {}\r\n", content.len()), b"");
        for byte in content {
            std::thread::sleep(SILENCE / 5);
            let _ = stream.write_all(&[*byte]);
        }
    });
    let mut fetch = Fetch::new();
    let started = Instant::now();
    fetch.from(&[&server.url()]).unwrap();
    fetch.assert_complete();
    assert!(started.elapsed() > 2 * SILENCE);
}

#[test]
fn redirects_are_followed_but_not_in_circles() {
    let server = Server::start(|request, stream| match request.path.strip_prefix("/old/") {
        Some(name) => send(stream, "302 Found", &format!("location: /new/{name}\r\n"), b""),
        None => serve(request, stream),
    });
    let mut fetch = Fetch::new();
    fetch.write("images.gz.part", b"0123");
    fetch.from(&[&format!("{}old/", server.url())]).unwrap();
    fetch.assert_complete();
    assert!(server.requests().contains(&request("/new/images.gz", Some(4))), "{:?}", server.requests());

    let circle = Server::start(|request, stream| {
        send(stream, "302 Found", &format!("location: {}\r\n", request.path), b"");
    });
    assert!(Fetch::new().refused(&circle).contains("too many redirects"));
}

#[test]
fn without_a_server_it_is_said_how_to_go_on_by_hand() {
    // Bound and dropped: nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut fetch = Fetch::new();
    let error = fetch.from(&[&format!("http://127.0.0.1:{port}/")]).unwrap_err();
    assert_eq!(error.exit_code(), crate::error::EXIT_ENVIRONMENT);
    let text = error.to_string().replace(&port.to_string(), "PORT");
    let text = text.replace(&fetch.folder.path().display().to_string(), "[folder]");
    insta::assert_snapshot!(text, @"
    images.gz could not be fetched
      http://127.0.0.1:PORT/images.gz: refused the connection
    The files can be saved by hand, with a browser, packed or not. Their folder is
      [folder]
    or any other that `data.path` points to. They are at
      https://first.invalid/toy/images.gz
      https://first.invalid/toy/labels.gz
    and under the same names at https://second.invalid/toy/
    ");
}

#[test]
fn what_is_no_mirror_is_a_wrong_request() {
    let mut fetch = Fetch::new();
    let error = fetch.from(&["http://127.0.0.1:1/", "ftp://a.org"]).unwrap_err();
    assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
    assert!(error.to_string().starts_with("\"ftp://a.org\" is no address"), "{error}");
}

#[test]
fn two_at_once_fetch_every_file_once() {
    let server = Server::start(|request, stream| {
        std::thread::sleep(Duration::from_millis(50));
        serve(request, stream);
    });
    let fetch = Fetch::new();
    let waited = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut observe = |event: &Event<'_>| {
                    if *event == Event::Waiting {
                        waited.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                };
                REMOTE.fetch(fetch.folder.path(), &[server.url()], LIMITS, &mut observe).unwrap();
            });
        }
    });
    fetch.assert_complete();
    assert_eq!(server.requests().len(), 2, "{:?}", server.requests());
    assert!(waited.into_inner() > 0);
}

#[test]
fn a_disk_that_does_not_take_it_is_not_the_mirrors_fault() {
    let server = Server::start(serve);
    let mut fetch = Fetch::new();
    fs::create_dir(fetch.folder.path().join("images.gz.part")).unwrap();
    let error = fetch.from(&[&server.url(), &server.url()]).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(!fetch.has_said("Refused"), "{:?}", fetch.said);
    fetch.write("file", b"");
    let below = fetch.folder.path().join("file/below");
    let error = REMOTE.fetch(&below, &[server.url()], LIMITS, &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn what_is_published_is_well_formed() {
    for remote in REMOTES {
        assert_eq!(Remote::named(remote.name), Some(remote));
        assert!(remote.folder().unwrap().ends_with(Path::new("runner").join(remote.name)));
        for mirror in remote.mirrors {
            assert_eq!(download::address(mirror).unwrap(), *mirror);
        }
        let names = remote.files.iter().map(|file| file.name.trim_end_matches(".gz"));
        let expected = [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        for file in remote.files {
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            assert!(file.md5.len() == 32 && file.md5.bytes().all(is_hex), "{}", file.md5);
        }
    }
    assert_eq!(Remote::named("digits"), None);
}
