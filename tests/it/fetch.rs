//! `runner data fetch`, with servers on this machine for mirrors.

#[path = "../../src/data/fetch/server.rs"]
mod server;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use self::server::{Server, send};
use crate::workplace::{Workplace, one_line, text};

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Exit code and standard error of `data fetch mnist` into the cache of the workplace, without ports and paths.
fn fetch(workplace: &Workplace, mirrors: &[&str], more: &[&str]) -> (i32, String) {
    let mut arguments = vec!["data", "fetch", "mnist"];
    arguments.extend(mirrors.iter().flat_map(|mirror| ["--mirror", mirror]));
    arguments.extend(more);
    let mut command = workplace.command(&arguments);
    let output = command.env("XDG_CACHE_HOME", workplace.path().join("cache")).output().unwrap();
    assert_eq!(text(&output.stdout), "");
    let mut said = text(&output.stderr);
    for place in [workplace.path(), &workplace.path().canonicalize().unwrap()] {
        said = said.replace(place.to_str().unwrap(), "[folder]");
    }
    for (number, mirror) in mirrors.iter().enumerate() {
        said = said.replace(mirror.trim_end_matches('/'), &format!("http://mirror-{}", number + 1));
    }
    (output.status.code().unwrap(), said)
}

fn cache(workplace: &Workplace) -> std::path::PathBuf {
    workplace.path().join("cache/runner/mnist")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_refused_connection_says_how_to_get_the_files_by_hand() {
    let workplace = Workplace::new();
    // Bound and dropped: nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, said) = fetch(&workplace, &[&format!("http://127.0.0.1:{port}/")], &[]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(said);
}

#[test]
fn mirrors_are_asked_in_their_order_and_wrong_files_are_refused() {
    let workplace = Workplace::new();
    let gone = Server::start(|_, stream| send(stream, "404 Not Found", "", b""));
    let wrong = Server::start(|_, stream| send(stream, "200 OK", "", b"these are not the images"));
    let (code, said) = fetch(&workplace, &[&gone.url(), &wrong.url()], &[]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(said);
    assert_eq!(names(&cache(&workplace)), [".fetch.lock"]);
    assert_eq!((gone.requests().len(), wrong.requests().len()), (1, 1));
}

#[test]
fn files_that_are_there_are_left_alone() {
    let workplace = Workplace::new();
    for name in NAMES {
        workplace.write(&format!("here/{name}"), "unpacked");
    }
    let server = Server::start(|_, stream| send(stream, "500 Internal Server Error", "", b""));
    let (code, said) = fetch(&workplace, &[&server.url()], &["--to", "here"]);
    assert_eq!(code, 0, "{said}");
    insta::assert_snapshot!(said);
    let (code, said) = fetch(&workplace, &[&server.url()], &["--to", "here", "--quiet"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert_eq!(server.requests(), []);
    let mut expected = NAMES;
    expected.sort_unstable();
    assert_eq!(names(&workplace.path().join("here")), expected, "nothing else was left there");
}

#[test]
fn what_cannot_be_fetched_is_a_wrong_request() {
    let workplace = Workplace::new();
    for arguments in [
        &["data", "fetch"][..],
        &["data"],
        &["data", "fetch", "digits"],
        &["data", "fetch", "mnist", "--mirror", "example.org/mnist"],
    ] {
        assert_eq!(workplace.fail(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn a_run_without_its_files_says_which_command_downloads_them() {
    let workplace = Workplace::new();
    workplace.write("a.toml", "[data]\nsource = 'fashion-mnist'\n[model]\nkind = 'mlp'\n");
    let mut command = workplace.command(&["run", "a.toml"]);
    let output = command.env("XDG_CACHE_HOME", workplace.path().join("cache")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = one_line(&text(&output.stderr));
    assert!(said.contains("download them with `runner data fetch fashion-mnist`"), "{said}");
}

/// Ctrl-C ends the process as a kill does, where the shell has not made its children deaf to it.
#[test]
fn a_killed_fetch_goes_on_where_it_stopped() {
    let workplace = Workplace::new();
    // Sends a half and then, for long, no more.
    let server = Server::start(|request, stream| {
        if request.range.is_some() {
            return send(stream, "404 Not Found", "", b"");
        }
        send(stream, "200 OK", "content-length: 10\r\n", b"01234");
        std::thread::sleep(Duration::from_secs(10));
    });
    let mut command =
        workplace.command(&["data", "fetch", "mnist", "--to", "here", "--mirror", &server.url()]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let part = workplace.path().join("here/train-images-idx3-ubyte.gz.part");
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 5 {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "nothing arrives");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read(&part).unwrap(), b"01234");

    let (code, said) = fetch(&workplace, &[&server.url()], &["--to", "here"]);
    assert_eq!(code, 3);
    assert!(said.contains("What has arrived is kept"), "{said}");
    let ranges: Vec<_> = server.requests().iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some(5)]);
}
