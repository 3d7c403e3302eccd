//! What to do about a SIM. Pure.

use emnify_engine::kind::{Diff, FieldDiff, Invalid};
use jiff::Timestamp;

use super::{
    rows::{Row, SetState, Want},
    state::{Move, status},
};

/// The one change a SIM may need: its state. `edited`: the spec changed since the SIM was last in step, or
/// one of its dates passed.
pub fn diff(want: &Want, row: &Row, edited: bool, now: Timestamp) -> Diff<SetState> {
    let mut diff = Diff::default();
    if let Some(number) = row.number(want.number.name)
        && number != want.number.value
    {
        diff.immutable.push(FieldDiff::new(want.number.name, number, &want.number.value));
        return diff;
    }
    let Some(state) = want.state else { return diff };
    match state.next(row.status, edited, now) {
        Move::Stay => {}
        Move::To(to) => diff.changes.push(SetState { from: row.status, to }),
        Move::Drifted => {
            diff.reported.push(FieldDiff::new("state", status::name(row.status), state.state));
        }
        Move::Passing(why) => diff.waiting = Some(format!("state: {why}")),
        Move::Illegal(why) => diff.illegal = Some(Invalid::new("state", why)),
    }
    diff
}
