//! An attacker on the way to the registry: answers what it once captured, whatever is true by now.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const HEADER_OCTETS: usize = 12;
const SERVFAIL: u8 = 2;
/// Largest answer that unbound takes over UDP with the shipped configuration.
const UDP_OCTETS_MAX: usize = 1232;

/// Question section, in lower case, to answer.
type Captured = HashMap<Vec<u8>, Vec<u8>>;

/// Serves captured answers over UDP; ended when dropped.
pub struct Replayer {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Replayer {
    /// Captures the server's answers to these questions, as a resolver would get them.
    pub fn capture(server: SocketAddr, questions: &[(&str, u16)]) -> Self {
        let captured = questions.iter().map(|(owner, record_type)| {
            let query = query(owner, *record_type);
            let answer = ask(server, &query);
            assert!(
                answer.len() <= UDP_OCTETS_MAX && answer[3] & 0x0f == 0,
                "{owner} {answer:x?}"
            );
            (question_of(&query).to_ascii_lowercase(), answer)
        });
        let captured: Captured = captured.collect();
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || replay(&socket, &captured, &stopped));
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Replayer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn replay(socket: &UdpSocket, captured: &Captured, stop: &AtomicBool) {
    let mut buffer = [0; 1500];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let query = &buffer[..length];
        if length <= HEADER_OCTETS {
            continue;
        }
        let question = question_of(query);
        let mut answer = match captured.get(&question.to_ascii_lowercase()) {
            Some(answer) => answer.clone(),
            None => {
                let mut failure = query[..HEADER_OCTETS + question.len()].to_vec();
                // One question and nothing else, QR set.
                failure[2..HEADER_OCTETS]
                    .copy_from_slice(&[0x80, SERVFAIL, 0, 1, 0, 0, 0, 0, 0, 0]);
                failure
            }
        };
        // Only the transaction id and the case of the name are the new query's.
        answer[..2].copy_from_slice(&query[..2]);
        answer[HEADER_OCTETS..HEADER_OCTETS + question.len()].copy_from_slice(question);
        let _ = socket.send_to(&answer, client);
    }
}

/// The question section: name, type and class.
fn question_of(message: &[u8]) -> &[u8] {
    let mut end = HEADER_OCTETS;
    while let Some(&length) = message.get(end).filter(|&&length| length != 0) {
        end += 1 + usize::from(length);
    }
    &message[HEADER_OCTETS..(end + 5).min(message.len())]
}

/// An iterative query with DO.
fn query(owner: &str, record_type: u16) -> Vec<u8> {
    let mut octets = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in owner.split('.') {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets.extend_from_slice(&record_type.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    // OPT: root, type 41, 1232 octets, version 0, DO, no options.
    octets.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]);
    octets
}

/// Asks over TCP, where nothing is cut.
fn ask(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    let mut octets = u16::try_from(query.len()).unwrap().to_be_bytes().to_vec();
    octets.extend_from_slice(query);
    stream.write_all(&octets).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    answer
}
