//! What the protocol does not hold, and how it comes about.

use crate::breaks;
use crate::scenario::Scenario;

/// A grant learns from the asset's row that the asset has moved. The row is written last. If a grant dies before that,
/// nobody runs it again, and the asset is published at another place meanwhile, then the next grant does not know of the
/// first place. The asset stands in the entries of both tables; a revoke takes one of them back. The same happens when an
/// asset is granted at two places at once.
#[test]
fn an_asset_that_moves_before_its_row_is_written() {
    let moved = Scenario::new("Gc", "Ga Ga@b Ra").never_again(0).order(0, 1).order(1, 2);
    breaks(&moved, "no serial order ends with");
    breaks(&Scenario::new("Ga", "Ga@b Ga"), "no serial order ends with");
}

/// A rotation looks whether somebody else is rotating before it proposes its own value. Who begins in between finds what he has
/// staged replaced, and if he goes on all the same, he sets a password that the secret does not hold.
#[test]
fn somebody_elses_rotation_that_begins_right_after_ours() {
    breaks(
        &Scenario::new("Ga", "X P Ga").order(0, 2).order(1, 2),
        "a password is set that the living secret does not hold",
    );
}
