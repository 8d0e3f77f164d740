//! A published table: which connection it comes from, and under which path.

use aws_sdk_glue::types::Table;
use dzconn_core::model::{AssetPath, Location, Owner};
use dzconn_core::{Error, ErrorKind, Result, Step};

use super::arn::ConnectionArn;
use crate::accounts::Accounts;
use crate::error::{code_of, from_sdk, is_of_role};

/// A table of the Glue catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GlueTable {
    /// The account and region of the catalogue.
    pub(crate) owner: Owner,
    /// The catalogue, where it is not the account's own.
    pub(crate) catalog: Option<String>,
    /// The catalogue's database, which is not the source's.
    pub(crate) database: String,
    /// The table's name in the catalogue, which is not the one in the source.
    pub(crate) name: String,
}

impl GlueTable {
    fn shown(&self) -> String {
        format!("the Glue table {}.{} of account {}", self.database, self.name, self.owner.account)
    }
}

/// Where a table's data are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// In a source behind a connection.
    At(Location),
    /// Not behind a connection: data of `DataZone`'s own kinds, such as files in S3, which it fulfils itself. Says why.
    Foreign(String),
    /// There is no such table any more. Says which.
    Gone(String),
}

/// A table that comes from a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crawled {
    pub(super) connection: ConnectionArn,
    pub(super) path: AssetPath,
    /// The crawler that wrote the table last, if one did.
    pub(super) crawler: Option<String>,
}

/// What a look at a table finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Crawled(Crawled),
    Foreign(String),
    Gone(String),
}

/// Looks a table up: one call.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the table comes from a connection but its location is no path of a table;
/// [`ErrorKind::StoreDenied`] if it may not be read.
pub(crate) async fn locate(accounts: &Accounts, table: &GlueTable) -> Result<Located> {
    Ok(match look_up(accounts, table).await? {
        Found::Crawled(Crawled { connection, path, .. }) => {
            Located::At(Location { connection: connection.id().clone(), path, owner: connection.owner })
        }
        Found::Foreign(why) => Located::Foreign(why),
        Found::Gone(what) => Located::Gone(what),
    })
}

pub(super) async fn look_up(accounts: &Accounts, table: &GlueTable) -> Result<Found> {
    let client = accounts.clients(&table.owner).await.glue;
    let call = client.get_table().database_name(&table.database).name(&table.name);
    let catalog = table.catalog.clone().unwrap_or_else(|| table.owner.account.to_string());
    match call.catalog_id(catalog).send().await {
        Ok(answer) => match &answer.table {
            Some(found) => read(table, found),
            None => Ok(Found::Gone(format!("{} is gone", table.shown()))),
        },
        Err(error) if code_of(&error) == Some("EntityNotFoundException") => {
            Ok(Found::Gone(format!("{} is gone", table.shown())))
        }
        Err(error) => {
            let error = from_sdk("Glue", "GetTable", error).at(Step::LookUp).on_asset(table.shown());
            Err(match error.kind() {
                ErrorKind::StoreDenied if !is_of_role(&error) => {
                    error.advise("allow this role glue:GetTable on it, and DESCRIBE if Lake Formation guards the table")
                }
                _ => error,
            })
        }
    }
}

/// A crawler that went through a connection leaves its name in the parameter `connectionName`, and the table's own path in
/// the source as the location.
fn read(table: &GlueTable, found: &Table) -> Result<Found> {
    // Through a link, the table and its connection are another account's.
    let elsewhere = found.catalog_id.as_deref().filter(|catalog| !catalog.starts_with(table.owner.account.as_str()));
    if let Some(catalog) = elsewhere {
        let what = format!("it is a link to a table of catalogue {catalog}");
        let error = Error::new(ErrorKind::InvalidInput, what).at(Step::LookUp).on_asset(table.shown());
        return Err(error.advise("publish the table from the account that it is in"));
    }
    let parameter = |name: &str| {
        let value = found.parameters.as_ref().and_then(|all| all.get(name)).map(|value| value.trim());
        value.filter(|value| !value.is_empty() && *value != "None")
    };
    let Some(connection) = parameter("connectionName") else {
        return Ok(Found::Foreign(format!("{} comes from no connection", table.shown())));
    };
    let descriptor = found.storage_descriptor.as_ref();
    let location = descriptor.and_then(|descriptor| descriptor.location.as_deref()).map(str::trim).unwrap_or_default();
    // A crawler goes through a NETWORK connection to reach files, too.
    if location.contains("://") || location.starts_with("arn:") {
        return Ok(Found::Foreign(format!("{} holds what is at {location}, not a table of a source", table.shown())));
    }
    let wrong = |error: Error| error.at(Step::LookUp).on_asset(table.shown());
    let path = AssetPath::new(location).map_err(|_| {
        wrong(
            Error::new(ErrorKind::InvalidInput, format!("its location, {location:?}, is not a path in the source"))
                .advise("run the crawler again; the location must be db.table or db.schema.table"),
        )
    })?;
    let connection = ConnectionArn::of(&table.owner, connection).map_err(wrong)?;
    Ok(Found::Crawled(Crawled { connection, path, crawler: parameter("UPDATED_BY_CRAWLER").map(str::to_owned) }))
}

#[cfg(test)]
mod tests {
    use aws_sdk_glue::types::StorageDescriptor;
    use dzconn_core::model::{AccountId, Region};

    use super::*;

    fn table(region: &str) -> GlueTable {
        let owner = Owner::new(AccountId::new("222222222222").unwrap(), Region::new(region).unwrap());
        GlueTable { owner, catalog: None, database: "lake".into(), name: "sales_hr_employees".into() }
    }

    fn found(region: &str, location: Option<&str>, parameters: &[(&str, &str)]) -> Result<Found> {
        let descriptor = StorageDescriptor::builder().set_location(location.map(str::to_owned)).build();
        let mut made = Table::builder().name("sales_hr_employees").storage_descriptor(descriptor);
        for (name, value) in parameters {
            made = made.parameters(*name, *value);
        }
        read(&table(region), &made.build().unwrap())
    }

    #[test]
    fn a_crawled_table_names_connection_path_and_crawler() {
        let parameters =
            [("connectionName", "hr"), ("UPDATED_BY_CRAWLER", "nightly"), ("classification", "postgresql")];
        let Found::Crawled(crawled) = found("cn-north-1", Some("sales.hr.employees"), &parameters).unwrap() else {
            panic!("a crawled table")
        };
        assert_eq!(crawled.connection.id().as_str(), "arn:aws-cn:glue:cn-north-1:222222222222:connection/hr");
        assert_eq!((crawled.path.as_str(), crawled.crawler.as_deref()), ("sales.hr.employees", Some("nightly")));

        let Found::Crawled(by_hand) = found("eu-west-1", Some("db.t"), &[("connectionName", "a b/c")]).unwrap() else {
            panic!("a table by hand")
        };
        assert_eq!((by_hand.connection.name.as_str(), by_hand.crawler), ("a b/c", None));
    }

    #[test]
    fn what_comes_from_no_connection_is_left_alone() {
        for (location, parameters) in [
            (Some("s3://bucket/prefix/"), vec![]),
            (None, vec![]),
            (Some("sales.hr.employees"), vec![("connectionName", "")]),
            (Some("s3://bucket.with.dots/prefix/"), vec![("connectionName", "vpc")]),
            (Some("arn:aws:dynamodb:eu-west-1:1:table/a.b"), vec![("connectionName", "vpc")]),
        ] {
            let found = found("eu-west-1", location, &parameters).unwrap();
            assert!(matches!(&found, Found::Foreign(why) if why.contains("lake.sales_hr_employees")), "{found:?}");
        }
    }

    #[test]
    fn a_location_that_is_no_path_is_named() {
        for location in [None, Some(""), Some("employees"), Some("db.")] {
            let error = found("eu-west-1", location, &[("connectionName", "hr")]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let said = error.to_string();
            assert!(said.contains(location.unwrap_or_default()) && said.contains("lake.sales_hr_employees"), "{said}");
        }
        let long = "n".repeat(256);
        assert!(found("eu-west-1", Some("a.b"), &[("connectionName", &long)]).is_err());
    }
}
