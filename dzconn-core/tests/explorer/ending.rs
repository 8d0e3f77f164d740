//! What the end of an environment finds in tracking, as `Fulfilment::revoke_all` looks for it.

use std::collections::BTreeSet;

use dzconn_core::ErrorKind;
use dzconn_core::memory::TrackingState;
use dzconn_core::model::{AssetId, Phase, SourceRecord, TableName};
use dzconn_core::workflow::Errand;

use crate::run::{Order, Orders};
use crate::scenario::subscription;
use crate::world::{Books, Rule, Rules};

/// What is to be done, by what tracking has now; `again`: after all that was found before has been taken back.
///
/// # Errors
/// Again, and something is there: it came meanwhile.
pub(crate) fn look(tracking: &TrackingState, again: bool, rules: Rules) -> Result<Orders, ErrorKind> {
    let books = Books::of(tracking);
    let mut found: Vec<(AssetId, TableName)> = Vec::new();
    let rows = books.rows.iter().filter_map(|row| Some((row.asset.clone(), row.place.as_ref()?.table.clone())));
    found.extend(rows);
    if rules.keep(Rule::EndSearches) {
        let open = books.source.iter().flat_map(|record| &record.open);
        let open = open.flat_map(|(table, open)| open.assets.keys().map(move |asset| (asset.clone(), table.clone())));
        let settled = books.entries.iter();
        let settled = settled.flat_map(|entry| entry.assets.keys().map(|asset| (asset.clone(), entry.table.clone())));
        found.extend(open.chain(settled));
    }
    let found: BTreeSet<_> = found.into_iter().collect();
    if !found.is_empty() {
        let order = |(asset, table): (AssetId, TableName)| {
            let subscription = subscription(asset.as_str(), table.name());
            let ask = !rules.keep(Rule::EndUnasked);
            Order { ask, ..Order::revoke(subscription, Errand::End, Some(table)) }
        };
        return if again { Err(ErrorKind::Contention) } else { Ok(found.into_iter().map(order).collect()) };
    }
    let unsettled = |record: &&SourceRecord| {
        record.phase != Phase::Active || !record.revoked.is_empty() || !record.retired.is_empty()
    };
    let Some(record) = books.source.filter(|record| again && unsettled(record)) else { return Ok(Vec::new()) };
    let asset = record.revoked.first().map_or("unknown", |asset| asset.as_str());
    // Where only the consumer's side is left, the source need not answer.
    let consumer_only = record.phase == Phase::Retired || record.phase == Phase::Active && record.open.is_empty();
    let order = Order::revoke(subscription(asset, "unknown"), Errand::Tidy, None);
    Ok(vec![Order { consumer_only, ..order }])
}
