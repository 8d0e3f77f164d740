//! What a listing publishes.

use aws_sdk_datazone::operation::get_listing::GetListingOutput;
use aws_sdk_datazone::types::{AssetListing, ListingItem};
use dzconn_core::bucket::Objects;
use dzconn_core::model::{AccountId, Asset, AssetId, Listing, ListingId, Owner, ProjectId, Region};
use dzconn_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::config::Portal;
use crate::glue::table::GlueTable;

/// A listing of a table.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) asset: Asset,
    pub(super) listing: Listing,
    pub(super) table: GlueTable,
    /// The project that has published it.
    pub(super) publisher: Option<ProjectId>,
}

/// A listing of objects in S3.
#[derive(Debug)]
pub(super) struct PublishedObjects {
    pub(super) asset: Asset,
    pub(super) listing: Listing,
    pub(super) objects: Objects,
    /// The project that has published it.
    pub(super) publisher: Option<ProjectId>,
}

/// What became of reading one.
pub(super) enum Read {
    Table(Box<Published>),
    Objects(Box<PublishedObjects>),
    /// It is not ours, and why.
    Other(String),
}

/// Reads a listing.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if it says that it is a table of Glue's and does not say which.
pub(super) fn read(id: &ListingId, portal: &Portal, listing: GetListingOutput) -> Result<Read> {
    let types = &portal.asset_types;
    let name = listing.name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_string());
    let asset = match listing.item {
        Some(ListingItem::AssetListing(asset)) => asset,
        Some(ListingItem::DataProductListing(_)) => return Ok(Read::Other(format!("{name} is a data product"))),
        _ => return Ok(Read::Other(format!("{name} is of a kind that is not known"))),
    };
    let AssetListing { asset_id, asset_revision, asset_type, forms, owning_project_id: publisher, .. } = asset;
    let publisher = publisher.map(ProjectId::new).transpose()?;
    let asset_type = asset_type.unwrap_or_default();
    if is_one_of(&asset_type, &portal.object_types) {
        let objects = objects(forms.as_deref().unwrap_or_default())?;
        let asset = AssetId::new(asset_id.unwrap_or_default())?;
        return Ok(Read::Objects(Box::new(PublishedObjects {
            asset: Asset { id: asset, revision: asset_revision.unwrap_or_default(), asset_type },
            listing: Listing { id: id.clone(), name, revision: listing.listing_revision },
            objects,
            publisher,
        })));
    }
    if !is_one_of(&asset_type, types) {
        return Ok(Read::Other(format!("{name} is a {asset_type:?}, not one of {}", types.join(", "))));
    }
    let Some(table) = table(forms.as_deref().unwrap_or_default())? else {
        return Ok(Read::Other(format!("{name} is a table of a nested catalogue")));
    };
    let asset = AssetId::new(asset_id.unwrap_or_default())?;
    Ok(Read::Table(Box::new(Published {
        asset: Asset { id: asset, revision: asset_revision.unwrap_or_default(), asset_type },
        listing: Listing { id: id.clone(), name, revision: listing.listing_revision },
        table,
        publisher,
    })))
}

/// Types are written with the name of the package that they come from, and without.
pub(super) fn is_one_of(asset_type: &str, types: &[String]) -> bool {
    let bare = asset_type.rsplit('.').next().unwrap_or_default();
    types.iter().any(|known| known == asset_type || known == bare)
}

/// The Glue table that the forms name: `GlueTableForm {catalogId, region, tableArn, tableName}`, in a JSON object of all forms.
/// None if it is in a nested catalogue, such as one of S3 tables, where no crawler writes.
///
/// A publisher may write forms by hand, so a form that contradicts itself is not followed anywhere.
fn table(forms: &str) -> Result<Option<GlueTable>> {
    let form = form(forms, "GlueTableForm")?;
    let text = |name: &str| form.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let arn = text("tableArn").ok_or_else(|| malformed("hold a GlueTableForm without tableArn"))?;
    let named = Arn::read(arn).ok_or_else(|| malformed(&format!("name {arn:?}, which is not a Glue table's ARN")))?;
    let nested = |catalog: &str| catalog.contains([':', '/']);
    if named.table.contains('/') || text("catalogId").is_some_and(nested) {
        return Ok(None);
    }
    let agree = |name: &str, arn: &str| match text(name) {
        Some(text) if text != arn => {
            Err(malformed(&format!("contradict themselves: {name} is {text:?}, the ARN says {arn:?}")))
        }
        _ => Ok(()),
    };
    agree("catalogId", named.account)?;
    agree("region", named.region)?;
    agree("tableName", named.table)?;
    Ok(Some(GlueTable {
        owner: Owner::new(AccountId::new(named.account)?, Region::new(named.region)?),
        catalog: None,
        database: named.database.to_owned(),
        name: named.table.to_owned(),
    }))
}

/// The objects that the forms name: `S3ObjectCollectionForm {bucketArn}`.
fn objects(forms: &str) -> Result<Objects> {
    let form = form(forms, "S3ObjectCollectionForm")?;
    let arn = form.get("bucketArn").and_then(Value::as_str).filter(|text| !text.is_empty());
    arn.ok_or_else(|| malformed("hold a S3ObjectCollectionForm without bucketArn"))?.parse()
}

/// A form's content, out of a JSON object of all forms.
fn form(forms: &str, name: &str) -> Result<Value> {
    let forms: Value = serde_json::from_str(forms).map_err(|error| malformed("are not JSON").because(error))?;
    match forms.get(name) {
        // It may itself be a text with JSON in it.
        Some(Value::String(text)) => serde_json::from_str(text)
            .map_err(|error| malformed(&format!("hold a {name} that is not JSON")).because(error)),
        Some(form) => Ok(form.clone()),
        None => Err(malformed(&format!("hold no {name}"))),
    }
}

/// `arn:PARTITION:glue:REGION:ACCOUNT:table/DATABASE/TABLE`. In a nested catalogue the path is longer, and `table` its rest.
struct Arn<'a> {
    region: &'a str,
    account: &'a str,
    database: &'a str,
    table: &'a str,
}

impl<'a> Arn<'a> {
    fn read(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let ("arn", _, "glue", region, account) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?)
        else {
            return None;
        };
        let (database, table) = parts.next()?.strip_prefix("table/")?.split_once('/')?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let is_whole = !region.is_empty() && !database.is_empty() && !table.is_empty();
        (is_account && is_whole).then_some(Self { region, account, database, table })
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the listing's forms {what}"))
        .advise("publish the asset again from a data source run of DataZone's, which fills the form in")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:glue:eu-west-1:111122223333:table/sales/sales_hr_employees";

    fn forms(catalog: &str, region: &str, arn: &str, name: &str) -> String {
        let form = serde_json::json!({"catalogId": catalog, "region": region, "tableArn": arn, "tableName": name});
        serde_json::json!({"GlueTableForm": form}).to_string()
    }

    #[test]
    fn the_database_is_the_second_part_of_the_arns_path() {
        let read = table(&forms("111122223333", "eu-west-1", ARN, "sales_hr_employees")).unwrap().unwrap();
        assert_eq!((read.database.as_str(), read.name.as_str()), ("sales", "sales_hr_employees"));
        assert_eq!((read.owner.account.as_str(), read.owner.region.as_str()), ("111122223333", "eu-west-1"));
        let only_arn =
            serde_json::json!({"GlueTableForm": serde_json::json!({"tableArn": ARN}).to_string()}).to_string();
        assert_eq!(table(&only_arn).unwrap().unwrap().name, "sales_hr_employees");
    }

    #[test]
    fn a_form_that_contradicts_itself_is_not_followed() {
        for (catalog, region, arn, name) in [
            ("444455556666", "eu-west-1", ARN, "sales_hr_employees"),
            ("111122223333", "us-east-1", ARN, "sales_hr_employees"),
            ("111122223333", "eu-west-1", ARN, "other"),
            ("", "", "arn:aws:glue:eu-west-1:*:table/sales/t", ""),
            ("", "", "arn:aws:glue:eu-west-1:111122223333:table/sales/", ""),
            ("", "", "arn:aws:glue:eu-west-1:111122223333:database/sales", ""),
            ("", "", "", "t"),
        ] {
            let error = table(&forms(catalog, region, arn, name)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{arn}");
        }
        for text in ["", "[]", "{}", "{\"GlueTableForm\": \"{\"}", "{\"GlueTableForm\": 7}"] {
            assert_eq!(table(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn objects_are_named_by_an_arn() {
        let forms = |form: Value| serde_json::json!({"S3ObjectCollectionForm": form}).to_string();
        let form = serde_json::json!({"bucketArn": "arn:aws:s3:::data/sales/"});
        for text in [forms(form.clone()), forms(Value::String(form.to_string()))] {
            assert_eq!(objects(&text).unwrap().key(), "sales/");
        }
        for text in ["{}", &forms(serde_json::json!({})), &forms(serde_json::json!({"bucketArn": "s3://data"}))] {
            assert_eq!(objects(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn a_nested_catalogue_is_left_alone() {
        let nested = "arn:aws:glue:eu-west-1:111122223333:table/s3tablescatalog/sales/t";
        assert_eq!(table(&forms("", "", nested, "")).unwrap(), None);
        assert_eq!(table(&forms("111122223333:s3tablescatalog/bucket", "", ARN, "")).unwrap(), None);
    }

    #[test]
    fn a_type_may_be_written_with_its_package() {
        let types = ["GlueTableAssetType".to_owned()];
        assert!(is_one_of("GlueTableAssetType", &types) && is_one_of("amazon.datazone.GlueTableAssetType", &types));
        assert!(!is_one_of("RedshiftTableAssetType", &types) && !is_one_of("", &types));
    }
}
