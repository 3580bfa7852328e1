//! The wrong-answer table: what a hostile or broken server can answer, and the error in which each
//! ends. Every row is a test of its own, named as a fact; the exact error is asserted.
//!
//! `V` numbers are those of the project's list of hazards for verifiers.

mod answers;
mod chain_denials;
mod chains;
mod denials;
mod keys;
mod lookups;
mod signatures;

use crate::rogue::above::{Above, Answers};
use crate::rogue::{Case, Failure, World};

/// Builds a test out of each row `name => |world| (case, expected error)`.
macro_rules! refused {
    ($($(#[$meta:meta])* $name:ident => $build:expr;)*) => {
        $(
            $(#[$meta])*
            #[test]
            fn $name() {
                $crate::wrong_answers::expect_failure($build);
            }
        )*
    };
}
pub(crate) use refused;

/// The case must end in exactly this error, and it must be the case's own doing: the world's honest
/// answers are accepted at the same time.
pub(crate) fn expect_failure<E: Into<Failure>>(build: impl FnOnce(&World) -> (Case, E)) {
    let world = World::new();
    for honest in [world.active(), world.inactive(), world.absent()] {
        assert!(world.judge(&honest).is_ok());
    }
    let (case, expected) = build(&world);
    assert_eq!(world.judge(&case), Err(expected.into()));
}

/// Builds a test out of each row `name => |above, answers| expected error`, which breaks the honest
/// answers of a chain.
macro_rules! broken {
    ($($(#[$meta:meta])* $name:ident => $break:expr;)*) => {
        $(
            $(#[$meta])*
            #[test]
            fn $name() {
                $crate::wrong_answers::expect_broken($break);
            }
        )*
    };
}
pub(crate) use broken;

/// The chain must end in exactly this error, and was whole before.
pub(crate) fn expect_broken<E: Into<Failure>>(
    break_it: impl FnOnce(&mut Above, &mut Answers) -> E,
) {
    let mut above = Above::new();
    let mut answers = above.honest();
    assert!(above.judge(&answers).is_ok());
    let expected = break_it(&mut above, &mut answers);
    assert_eq!(above.judge(&answers), Err(expected.into()));
}
