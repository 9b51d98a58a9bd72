//! A server on this machine for tests, which answers as the test says: one request a connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path with its leading slash.
    pub path: String,
    /// The 5 of `range: bytes=5-`.
    pub range: Option<usize>,
}

/// Listens until dropped.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    closed: Arc<AtomicBool>,
}

impl Server {
    /// `answer` writes whatever it likes, head included; afterwards the connection is closed.
    pub fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, closed) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let server = Self { address, requests: Arc::clone(&requests), closed: Arc::clone(&closed) };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Relaxed) {
                    break;
                }
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                std::thread::spawn(move || serve(stream, &requests, &*answer));
            }
        });
        server
    }

    /// With its slash, as a mirror.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// In the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request, &mut TcpStream)) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(path) = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned())) else { return };
    let mut request = Request { path, range: None };
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            request.range = range.trim_end_matches('-').parse().ok();
        }
    }
    requests.lock().unwrap().push(request.clone());
    answer(&request, &mut stream);
}

/// Sends a whole answer; that the client has hung up is no failure.
pub fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
