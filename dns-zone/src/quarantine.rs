//! When the gate refuses a batch: find what is to blame, so that the rest is published.

use crate::gate::GateError;

/// Splits a refused batch until the offending items stand alone. `passes` plans, signs and gates
/// a part against the present version without publishing it; `error` is why all of `items`
/// together were refused. Returns each offender's position with its error.
///
/// # Errors
/// An error of `passes` that is no refusal, as it is.
pub(crate) fn offenders<T, E>(
    items: &[T],
    error: GateError,
    passes: &mut impl FnMut(&[T]) -> Result<Result<(), GateError>, E>,
) -> Result<Vec<(usize, GateError)>, E> {
    if items.len() <= 1 {
        return Ok(items.iter().map(|_| (0, error.clone())).collect());
    }
    let middle = items.len() / 2;
    let mut found = Vec::new();
    for (offset, half) in [(0, &items[..middle]), (middle, &items[middle..])] {
        if let Err(error) = passes(half)? {
            let within = offenders(half, error, passes)?;
            found.extend(within.into_iter().map(|(at, error)| (offset + at, error)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Change;
    use iot_identity::{DeviceId, Publication, Slot};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exactly_the_offenders_are_found(bad in prop::collection::vec(any::<bool>(), 1..80)) {
            let device_id = DeviceId::parse("8912230200031010008f").unwrap();
            let change = |index: usize| Change {
                device_id,
                slot: Slot::new(index as u16 + 1).unwrap(),
                publication: Publication::Absent,
            };
            let changes: Vec<Change> = (0..bad.len()).map(change).collect();
            let mut calls = 0;
            let mut passes = |part: &[Change]| {
                calls += 1;
                let blamed = part.iter().find(|one| bad[usize::from(one.slot.get()) - 1]);
                Ok::<_, ()>(blamed.map_or(Ok(()), |one| Err(GateError::Missing {
                    owner: one.slot.to_string(),
                    record_type: 37,
                })))
            };
            let Ok(Err(error)) = passes(&changes) else { return Ok(()) };
            let found = offenders(&changes, error, &mut passes).unwrap();
            let positions: Vec<usize> = found.iter().map(|(at, _)| *at).collect();
            let expected: Vec<usize> = (0..bad.len()).filter(|at| bad[*at]).collect();
            prop_assert_eq!(&positions, &expected);
            for (at, error) in found {
                let blamed = matches!(error, GateError::Missing { ref owner, .. }
                    if *owner == (at + 1).to_string());
                prop_assert!(blamed);
            }
            // Each offender costs at most a path of halves.
            prop_assert!(calls <= 1 + expected.len() * 2 * 8);
        }
    }
}
