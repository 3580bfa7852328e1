//! Commands about the zone as a whole, for the registry's operators.

/// A command about the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneCommand {
    /// The zone in presentation form (RFC 1035 §5).
    Dump,
    /// Verify the published zone and compare it with the database.
    Check,
}

impl ZoneCommand {
    /// The verbs in the order of the variants.
    pub const VERBS: [&str; 2] = ["zone.dump", "zone.check"];

    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Dump => Self::VERBS[0],
            Self::Check => Self::VERBS[1],
        }
    }
}
