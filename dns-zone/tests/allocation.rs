//! Answering takes no memory: counted by the allocator itself.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]

mod fixture;
mod traps;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fixture::{NOW, active, eid, entry, iccid, zone};
use iot_dns_zone::{
    Answering, Disposition, Exchange, Patience, Profile, Transport, answer, answer_batch,
};
use iot_identity::Publication;

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on as it is to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the promises that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: likewise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn query(name: &str, record_type: u16) -> Vec<u8> {
    let mut octets = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets.extend(record_type.to_be_bytes());
    octets.extend(b"\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\x0a\0\x03\0\0\0\x0c\0\x02\0\0");
    octets
}

#[test]
fn no_answer_allocates() {
    let inactive = entry(eid(7), 2, Publication::Inactive);
    let mut entries = vec![
        entry(iccid(), 1, active(1)),
        entry(eid(7), 1, active(2)),
        inactive,
    ];
    entries.extend((100..400).map(|number| entry(eid(number), 1, active(number))));
    let zone = zone(Profile::Fleet, entries);
    let answering = Answering {
        nsid: Some(b"server".as_slice().into()),
        padding: true,
        ..Answering::default()
    };
    let names = [
        format!("1.{}", eid(7)),
        format!("2.{}", eid(7)),
        format!("3.{}", eid(7)),
        format!("x.1.{}", eid(7)),
        format!("{}", eid(7)),
        format!("1.{}", eid(8)),
        format!("1.{}", eid(300)).to_uppercase(),
        "nothing.ns1".into(),
        "_tcp.ns1".into(),
        "ns1".into(),
        "*".into(),
        "0".into(),
        "zzz".into(),
        format!("{}.a\u{1}b", "y".repeat(63)),
        String::new(),
    ];
    let mut queries = vec![vec![0; 5], vec![0; 12], query("example.org", 1)];
    for name in &names {
        let name = format!("{name}.{}", fixture::APEX);
        queries.extend([1, 6, 16, 37, 46, 47, 48, 52, 128, 252, 255].map(|t| query(&name, t)));
    }
    queries.extend(traps::traps().into_iter().map(|(_, query, _)| query));
    let snapshot = zone.writer.snapshot();
    let mut buffers = vec![vec![0; 65_535]; queries.len()];
    for (now, patience) in [
        (NOW, Patience::Wait),
        (NOW + 7 * 86_400, Patience::Refuse),
        (NOW + 7 * 86_400, Patience::Wait),
    ] {
        for transport in [
            Transport::Datagram,
            Transport::Stream,
            Transport::EncryptedStream,
        ] {
            let rooms = queries.iter().zip(&mut buffers);
            let mut exchanges: Vec<_> = rooms
                .map(|(query, out)| Exchange::new(query, out))
                .collect();
            let before = COUNT.get();
            answer_batch(
                &snapshot,
                &answering,
                &mut exchanges,
                transport,
                patience,
                now,
            );
            assert_eq!(COUNT.get() - before, 0, "{transport:?}, {patience:?}");
            let answered = exchanges
                .iter()
                .filter(|exchange| matches!(exchange.disposition, Disposition::Answer(_)));
            assert!(answered.count() > 10);
            for query in &queries {
                let before = COUNT.get();
                let out = &mut *exchanges[0].out;
                let _ = answer(&snapshot, &answering, query, transport, patience, now, out);
                assert_eq!(COUNT.get() - before, 0, "{query:?}");
            }
        }
    }
    let before = COUNT.get();
    drop(vec![1_u8; 10]);
    assert_eq!(COUNT.get() - before, 1, "the allocator does count");
}
