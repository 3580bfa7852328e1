//! EPP ↔ the command model: what a client said becomes a [`Command`](crate::Command), and what the
//! registry answered becomes an [`Answer`](crate::epp::Answer). No decisions are made here but that of
//! what cannot be said in one command.
//!
//! | EPP | model |
//! |---|---|
//! | `check`, `info`, `create`, `renew`, `delete` | the command of that name |
//! | `info` with `slot` | `Certificate` |
//! | `update` with `newSlot` and nothing else | `NewSlot` |
//! | `update` with `restore` and nothing else | `Restore` |
//! | any other `update` | `Update`: what is taken away first, then what is added, then the rest |
//! | `transfer` | by `op`; a request with `to` is a push |
//! | `poll` | `Head`, `Acknowledge` |

mod answer;
mod command;
mod message;
mod said;

pub use answer::{Asked, answer};
pub use command::{Unmappable, device_command, poll_command};
pub use said::said;
