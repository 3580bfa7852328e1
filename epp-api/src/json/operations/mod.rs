//! The rows: every operation of the door, a file a kind of object. Where a fixed word and a parameter
//! can stand in one place, the row with the fixed word comes first.

mod accounts;
mod devices;
mod endpoints;
mod jobs;
mod messages;
mod transfers;
mod zone;

use super::operation::Operation;

/// Every row.
pub(crate) fn all() -> impl Iterator<Item = &'static Operation> {
    let kinds: [&'static [Operation]; 7] = [
        devices::OPERATIONS,
        transfers::OPERATIONS,
        devices::PROCESSES,
        messages::OPERATIONS,
        jobs::OPERATIONS,
        accounts::OPERATIONS,
        endpoints::OPERATIONS,
    ];
    kinds.into_iter().flatten().chain(zone::OPERATIONS)
}

/// The row of this name.
pub(crate) fn named(id: &str) -> &'static Operation {
    all()
        .find(|row| row.id == id)
        .expect("an operation of the table")
}

#[cfg(test)]
mod tests;
