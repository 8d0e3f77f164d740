//! What tracking has.

use std::collections::BTreeSet;

use super::{Finding, Mend, Problem, Scope, Side};
use crate::fulfilment::Parts;
use crate::model::{
    Asset, AssetId, AssetRecord, Consumer, EnvironmentId, Generation, Listing, Location, MappingRecord, Owner,
    SourceRecord, Subscription,
};
use crate::store::{Query, Record, Stored};
use crate::{Deadline, Result};

/// What stands where a dead run has recorded nothing.
pub(crate) const UNKNOWN: &str = "unknown";

/// The path of a run that is of no asset.
pub(crate) const UNKNOWN_PATH: &str = "unknown.unknown";

/// What tracking has of everything that is looked at.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) sources: Vec<SourceRecord>,
    pub(crate) rows: Vec<Stored>,
    pub(crate) mappings: Vec<Stored>,
    /// What was recorded before, or is named by somebody: environments that are surely this installation's.
    pub(crate) environments: BTreeSet<EnvironmentId>,
    /// Likewise, accounts that may hold its secrets.
    pub(crate) places: BTreeSet<(Side, Owner)>,
}

impl Books {
    pub(crate) async fn read(parts: &Parts, scope: &Scope, findings: &mut Vec<Finding>) -> Result<Self> {
        let mut books = Self::default();
        for stored in each(parts, &Query::Sources(scope.connection.clone()), findings).await? {
            if let Record::Source(source) = stored.record
                && scope.admits(&source.key)
            {
                books.sources.push(source);
            }
        }
        books.rows = each(parts, &Query::Assets(scope.environment.clone()), findings).await?;
        books.mappings = each(parts, &Query::Mappings, findings).await?;
        Ok(books)
    }

    /// The environments that are surely this installation's.
    pub(crate) fn known(&self) -> BTreeSet<EnvironmentId> {
        let sources = self.sources.iter().map(|source| &source.key.environment);
        let rows = self.rows().map(|(_, row)| &row.environment);
        let mappings = self.mappings().map(|(_, mapping)| &mapping.environment);
        sources.chain(rows).chain(mappings).chain(&self.environments).cloned().collect()
    }

    /// Where its secrets may be.
    pub(crate) fn accounts(&self) -> BTreeSet<(Side, Owner)> {
        let producers = self.sources.iter().map(|source| (Side::Producer, source.owner.clone()));
        let rows = self.rows().map(|(_, row)| (Side::Consumer, row.owner.clone()));
        let mappings = self.mappings().map(|(_, mapping)| (Side::Consumer, mapping.owner.clone()));
        producers.chain(rows).chain(mappings).chain(self.places.iter().cloned()).collect()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Stored, &AssetRecord)> {
        self.rows.iter().filter_map(|stored| match &stored.record {
            Record::Asset(row) => Some((stored, row)),
            _ => None,
        })
    }

    pub(crate) fn mappings(&self) -> impl Iterator<Item = (&Stored, &MappingRecord)> {
        self.mappings.iter().filter_map(|stored| match &stored.record {
            Record::Mapping(mapping) => Some((stored, mapping)),
            _ => None,
        })
    }

    pub(crate) fn mapping(&self, generation: &Generation) -> Option<&MappingRecord> {
        let of = |mapping: &&MappingRecord| generation.secret_id.as_ref() == Some(&mapping.shared_secret);
        self.mappings().map(|(_, mapping)| mapping).find(of)
    }

    /// The row of a record's asset.
    pub(crate) fn row(&self, record: &SourceRecord, asset: &AssetId) -> Option<&AssetRecord> {
        let of = |row: &&AssetRecord| row.environment == record.key.environment && row.asset == *asset;
        self.rows().map(|(_, row)| row).find(of)
    }

    /// What a run for an asset of a record would be started with. The listing is not known where no row is there: the run that
    /// would have written it died before.
    pub(crate) fn subscription(
        &self,
        record: &SourceRecord,
        asset: &AssetId,
        location: Location,
    ) -> Result<Subscription> {
        if let Some(row) = self.row(record, asset) {
            return Ok(row.clone().at(location));
        }
        let unknown = UNKNOWN.to_owned();
        Ok(Subscription {
            domain: record.domain.clone(),
            consumer: Consumer {
                project: record.project.clone(),
                environment: record.key.environment.clone(),
                owner: self.consumer(record),
            },
            asset: Asset { id: asset.clone(), revision: unknown.clone(), asset_type: unknown.clone() },
            listing: Listing { id: UNKNOWN.parse()?, name: unknown.clone(), revision: unknown },
            location,
            subscription: None,
            event: None,
        })
    }

    /// Where the consumer lives; where nothing says it, where the source is, which is right for most.
    pub(crate) fn consumer(&self, source: &SourceRecord) -> Owner {
        self.known_consumer(source).unwrap_or(&source.owner).clone()
    }

    /// Where the consumer lives, if anything says it.
    pub(crate) fn known_consumer(&self, source: &SourceRecord) -> Option<&Owner> {
        let mapping = source.generation.as_ref().and_then(|generation| self.mapping(generation));
        let retired = || {
            let ids: BTreeSet<_> = source.retired.iter().filter_map(|retired| retired.secret_id.as_ref()).collect();
            self.mappings().map(|(_, mapping)| mapping).find(|mapping| ids.contains(&mapping.shared_secret))
        };
        let row = || self.rows().map(|(_, row)| row).find(|row| row.environment == source.key.environment);
        mapping.or_else(retired).map(|mapping| &mapping.owner).or_else(|| row().map(|row| &row.owner))
    }
}

/// All records of a listing; one that cannot be read is a finding.
pub(crate) async fn each(parts: &Parts, query: &Query, findings: &mut Vec<Finding>) -> Result<Vec<Stored>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let deadline = Deadline::within(parts.producer.settings.deadline);
        let page =
            deadline.run("reading what is recorded", parts.producer.tracking.list(query, after.as_ref())).await?;
        for stored in page.records {
            match stored {
                Ok(stored) => all.push(stored),
                Err(error) => findings.push(Finding {
                    connection: None,
                    environment: None,
                    problem: Problem::Unreadable,
                    detail: error.to_string(),
                    mend: Mend::ByHand("compare the record with a backup, and correct it".to_owned()),
                }),
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}
