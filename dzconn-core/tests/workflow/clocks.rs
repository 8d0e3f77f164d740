//! Processes whose clocks are hours apart: what records say of times decides nothing.

use async_trait::async_trait;
use dzconn_core::memory::MemoryTracking;
use dzconn_core::store::{Cursor, Key, Page, Query, Record, Stored, Transaction, WriteOutcome};
use dzconn_core::{Result, Timestamp, TrackingStore};

use crate::faults::{SCENARIOS, poll_times, run};
use crate::world::World;

/// Tracking tables in which every other record was written by somebody whose clock is so many hours ahead, and the rest by
/// somebody whose clock is as much behind.
#[derive(Debug)]
struct Skewed(MemoryTracking, i64);

impl Skewed {
    fn skew(&self, stored: &mut Stored) {
        let odd = stored.version.is_some_and(|version| version.bits() & 1 == 1);
        let seconds = if odd { self.1 * 3600 } else { self.1 * -3600 };
        let shift = |time: &mut Timestamp| *time = Timestamp::from_seconds(time.seconds() + seconds);
        match &mut stored.record {
            Record::Source(record) => shift(&mut record.last_updated),
            Record::Entry(record) => {
                shift(&mut record.since);
                shift(&mut record.last_updated);
            }
            Record::Mapping(record) => shift(&mut record.last_updated),
            Record::Asset(record) => shift(&mut record.last_updated),
            Record::Wanted(record) => shift(&mut record.last_updated),
            Record::Objects(record) => shift(&mut record.last_updated),
            Record::Bucket(record) => {
                record.leased.iter_mut().for_each(shift);
                shift(&mut record.last_updated);
            }
        }
    }
}

#[async_trait]
impl TrackingStore for Skewed {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>> {
        let mut found = self.0.read(keys).await?;
        found.iter_mut().flatten().for_each(|stored| self.skew(stored));
        Ok(found)
    }
    async fn commit(&self, transaction: &Transaction) -> Result<WriteOutcome> {
        self.0.commit(transaction).await
    }
    async fn list(&self, query: &Query, after: Option<&Cursor>) -> Result<Page> {
        let mut page = self.0.list(query, after).await?;
        page.records.iter_mut().flatten().for_each(|stored| self.skew(stored));
        Ok(page)
    }
}

/// Each scenario, dropped at every await, and run again: with any clocks the same calls are made in the same order, and the
/// same is granted in the end.
#[tokio::test]
async fn what_records_say_of_times_decides_nothing() {
    let mut cuts = 0;
    for scenario in SCENARIOS {
        for polls in 1.. {
            let mut seen = Vec::new();
            let mut ended = false;
            for hours in [0, 60, -60] {
                let world = scenario.set_up_in(World::over(|tracking| Skewed(tracking, hours))).await;
                ended = poll_times(run(&world, scenario.table, scenario.grant), polls);
                let first = world.spy.calls();
                run(&world, scenario.table, scenario.grant).await.unwrap();
                let second = world.spy.calls();
                run(&world, scenario.table, !scenario.grant).await.unwrap();
                let third = world.spy.calls();
                seen.push((ended, first, second, third, world.readable()));
            }
            assert_eq!(seen[1], seen[0], "{scenario:?}, dropped after {polls} polls");
            assert_eq!(seen[2], seen[0], "{scenario:?}, dropped after {polls} polls");
            if ended {
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts > 100, "{cuts}");
}
