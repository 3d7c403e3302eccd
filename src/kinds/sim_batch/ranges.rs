//! ICCIDs as ranges.

use emnify::wire::sim::Sim;

use crate::{api::Iccid, kinds::endpoint_set::IccidRange};

/// Ranges that a status shows: 256 take 16 KB.
pub(super) const MOST_RANGES: usize = 256;

const DIGITS: usize = 19;

/// The ICCIDs of these SIMs in maximal runs, ascending, and whether some were left out.
pub(super) fn of(sims: &[Sim]) -> (Vec<IccidRange>, bool) {
    let mut numbers: Vec<u64> = sims.iter().filter_map(Sim::number).filter_map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let runs: Vec<&[u64]> = numbers.chunk_by(|one, next| one.checked_add(1) == Some(*next)).collect();
    let ranges = runs.iter().take(MOST_RANGES).filter_map(|run| Some((run.first()?, run.last()?)));
    let ranges = ranges.map(|(from, to)| IccidRange { from: iccid(*from), to: iccid(*to) });
    (ranges.collect(), runs.len() > MOST_RANGES)
}

/// What a manifest may name; some makers' ICCIDs have letters.
fn number(iccid: &str) -> Option<u64> {
    let plain = iccid.len() == DIGITS && iccid.starts_with("89") && iccid.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| iccid.parse().ok()).flatten()
}

fn iccid(number: u64) -> Iccid {
    Iccid::from(number.to_string())
}
