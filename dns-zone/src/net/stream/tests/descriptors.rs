//! What happens when the process has no descriptors left.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::*;

/// The server's side of the tests below, in a process of its own: its address goes out, and its
/// figures when the input ends.
#[test]
fn server_with_40_descriptors() {
    if std::env::var_os("FEW_DESCRIPTORS").is_none() {
        return;
    }
    let few = Rlimit {
        current: Some(40),
        maximum: Some(40),
    };
    setrlimit(Resource::Nofile, few).unwrap();
    let server = start(Limits {
        connections: 1000,
        message: Duration::from_secs(1),
        ..Limits::default()
    });
    println!("\naddress {}", server.tcp_address());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let figures = server.figures();
    println!("evicted {}", figures.evicted);
    println!("pauses {}", figures.accept_pauses);
    println!("queries {}", figures.queries);
}

struct Few {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Few {
    fn start() -> (Self, SocketAddr) {
        let name = "net::stream::tests::descriptors::server_with_40_descriptors";
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env("FEW_DESCRIPTORS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut few = Self { process, output };
        let address = few.read("address").parse().unwrap();
        (few, address)
    }

    fn read(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "no {what}");
            if let Some((word, value)) = line.trim().split_once(' ')
                && word == what
            {
                return value.to_owned();
            }
        }
    }

    /// Evicted connections, pauses and queries.
    fn end(mut self) -> [u64; 3] {
        drop(self.process.stdin.take());
        let figures = ["evicted", "pauses", "queries"].map(|what| self.read(what).parse().unwrap());
        assert!(self.process.wait().unwrap().success());
        figures
    }
}

#[test]
fn without_descriptors_idle_connections_make_room() {
    let (few, address) = Few::start();
    let mut clients: Vec<_> = (0..100).map(|_| connect(address)).collect();
    for (id, client) in (0..).zip(&mut clients) {
        // Older ones may be closed before they asked; the newest never are.
        if id >= 95 {
            ask(client, id);
        }
    }
    let mut late = connect(address);
    ask(&mut late, 1);
    let [evicted, pauses, queries] = few.end();
    assert!(evicted >= 60, "{evicted}");
    assert_eq!((pauses, queries), (0, 6));
}

#[test]
fn without_descriptors_and_idle_connections_accepting_pauses_and_goes_on() {
    let (few, address) = Few::start();
    let mut begun: Vec<_> = (0..60)
        .map(|_| {
            let mut client = connect(address);
            client.write_all(&[0, 30, 1]).unwrap();
            // Not idle any more when the next one comes.
            std::thread::sleep(Duration::from_millis(5));
            client
        })
        .collect();
    // Those who got in end by their deadline, and then the others get in.
    for client in &mut begun {
        assert!(is_closed(client));
    }
    ask(&mut connect(address), 1);
    let [_, pauses, queries] = few.end();
    assert!(pauses >= 1);
    assert_eq!(queries, 1);
}
