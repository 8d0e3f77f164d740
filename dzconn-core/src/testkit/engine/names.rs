//! Names are data.

use super::Attempt;
use super::lab::{Lab, Outcome};
use super::promises::{CREATE, DROP, GRANT, READS, RESOLVE, REVOKE, STATEMENTS};
use crate::ErrorKind;
use crate::engine::{Action, Reads};
use crate::model::{Credentials, TableName};

/// Names that a careless statement stumbles over. `{}` stands for something that makes a name the test's own.
///
/// A fixture says which of them its source does not take at all: see
/// [`legal_table_name`](super::EngineFixture::legal_table_name).
pub const HOSTILE_NAMES: &[&str] = &[
    "{}'quote",
    "'{}'",
    "{}''twice",
    "{}\"double",
    "\"{}\"",
    "{}\"\"twice",
    "{}`back",
    "`{}`",
    "{}``twice",
    "[{}]",
    "{}]close",
    "{}]]twice",
    "{}\\back",
    "{}\\'both",
    "{}\\",
    "{}.dot",
    "a.{}.b",
    "{} space",
    " {}leading",
    "{}trailing ",
    "{}\ttab",
    "{}-minus",
    "{}--comment",
    "{}/*comment",
    "{}#comment",
    "{};semi",
    "{}%percent",
    "{}_under",
    "{}@host",
    "{}'@'%",
    "{}$1",
    "{}?",
    "{}:name",
    "{}{{}}",
    "{}ÄÖß",
    "{}naïve",
    "{}日本語",
    "{}😀",
    "{}\u{202e}rtl",
    "{}e\u{301}",
    "1{}",
    "{}'; DROP x; --",
    "{}\"; DROP x; --",
    "{}`; DROP x; --",
    "SELECT{}",
    "{}NULL",
];

/// Reserved words, which only tables have by themselves: users are the whole server's.
const RESERVED: &[&str] = &["select", "table", "user", "group", "order", "PUBLIC", "null", "grant"];

fn hostile(lab: &Lab<'_>) -> Vec<String> {
    HOSTILE_NAMES.iter().map(|name| name.replace("{{}}", "{ }").replace("{}", lab.tag()).replace("{ }", "{}")).collect()
}

pub(super) async fn hostile_table_names_are_data(lab: &mut Lab<'_>) -> Outcome {
    let user = lab.user("u").await?;
    let neighbour = lab.table("neighbour").await?;
    let mut client = lab.open(GRANT, "after create_user", &user).await?;
    let names: Vec<String> = hostile(lab).into_iter().chain(RESERVED.iter().map(|&word| word.to_owned())).collect();
    let mut legal = 0;
    for name in names.iter().filter(|name| lab.fixture.legal_table_name(name)) {
        legal += 1;
        let table = lab.exact_name(name);
        lab.make(&table).await?;
        let path = Lab::path(&table)?;
        let resolved = RESOLVE.answer(&format!("resolve({path:?})"), lab.admin().resolve(&path).await)?;
        RESOLVE.unless(resolved == table, || format!("resolve({path:?}) answered {resolved:?}"))?;

        lab.grant(&user, &table).await?;
        let when = format!("after a grant on the table {name:?}");
        client.must_read(GRANT, &when, &table).await?;
        client.must_be_denied(GRANT, &when, &Attempt::Read(neighbour.clone())).await?;
        let reads = lab.reads(READS, &user, &table).await?;
        READS.unless(reads != Reads::No, || format!("{when}, `reads` answered {reads:?}"))?;

        let action = Action::Revoke { user: user.user.clone(), tables: vec![table.clone()] };
        let lines = lab.connector.statements(&lab.source, &action);
        STATEMENTS.unless(!lines.is_empty(), || format!("nothing is shown for {action:?}"))?;

        let revoked = lab.admin().revoke(&user.user, std::slice::from_ref(&table)).await;
        REVOKE.answer(&format!("revoke of the table {name:?}"), revoked)?;
        let when = format!("after a revoke of the table {name:?}");
        client.must_be_denied(REVOKE, &when, &Attempt::Read(table.clone())).await?;
        let reads = lab.reads(READS, &user, &table).await?;
        READS.unless(!matches!(reads, Reads::Yes(_)), || format!("{when}, `reads` answered {reads:?}"))?;
        lab.unmake(&table).await?;
    }
    GRANT.unless(legal > 0, || "the fixture's source takes not one of the names".to_owned())
}

pub(super) async fn hostile_user_names_are_data(lab: &mut Lab<'_>) -> Outcome {
    let (table, neighbour) = (lab.table("t").await?, lab.table("neighbour").await?);
    let witness = lab.reader("witness", &[&table]).await?;
    let longest = lab.fixture.longest_user_name();
    for name in hostile(lab).iter().filter(|name| name.len() <= longest) {
        let user = lab.nobody_named(name)?;
        if !lab.fixture.legal_user_name(name) {
            must_do_no_harm(lab, &user).await?;
            continue;
        }
        lab.must_exist(CREATE, "before create_user", &user.user, false).await?;
        lab.create(&user).await?;
        lab.must_exist(CREATE, "after create_user", &user.user, true).await?;
        let when = format!("with the user name {name:?}");
        // One login, since servers make logging in slow on purpose.
        let mut client = lab.open(CREATE, &when, &user).await?;
        let (read, read_neighbour) = (Attempt::Read(table.clone()), Attempt::Read(neighbour.clone()));
        client.must_be_denied(CREATE, &when, &read).await?;
        lab.grant(&user, &table).await?;
        client.must_read(GRANT, &when, &table).await?;
        client.must_be_denied(GRANT, &when, &read_neighbour).await?;
        let reads = lab.reads(READS, &user, &table).await?;
        READS.unless(reads != Reads::No, || format!("{when}, after a grant, `reads` answered {reads:?}"))?;
        let revoked = lab.admin().revoke(&user.user, std::slice::from_ref(&table)).await;
        REVOKE.answer(&format!("revoke from the user {name:?}"), revoked)?;
        client.must_be_denied(REVOKE, &when, &read).await?;
        drop(client);
        if lab.fixture.ends_sessions() {
            DROP.answer(&format!("drop_user({name:?})"), lab.admin().drop_user(&user.user).await)?;
            lab.must_exist(DROP, "after drop_user", &user.user, false).await?;
        }
    }
    lab.must_read(GRANT, "after users with all sorts of names came and went", &witness, &table).await
}

/// With a name that no client can log in with, the source refuses, or makes a user that can be dropped again.
async fn must_do_no_harm(lab: &mut Lab<'_>, user: &Credentials) -> Outcome {
    match lab.admin().create_user(user).await {
        Ok(_) => DROP.answer(&format!("drop_user({:?})", user.user.as_str()), lab.admin().drop_user(&user.user).await),
        Err(error) => CREATE.unless(error.kind() != ErrorKind::ConnectionLost, || {
            format!("create_user({:?}) broke the session: {error}", user.user.as_str())
        }),
    }
}

pub(super) async fn wildcards_are_letters(lab: &mut Lab<'_>) -> Outcome {
    let tag = lab.tag().to_owned();
    let pairs = [("a_{}", "aX{}"), ("b%{}", "bXX{}"), ("c*{}", "cXX{}"), ("d?{}", "dX{}"), ("%", "e{}"), ("_", "f")];
    let legal = |name: &String| lab.fixture.legal_table_name(name);
    let pairs: Vec<(TableName, TableName)> = pairs
        .map(|(pattern, fits)| (pattern.replace("{}", &tag), fits.replace("{}", &tag)))
        .into_iter()
        .filter(|(pattern, _)| legal(pattern))
        .map(|(pattern, fits)| (lab.exact_name(&pattern), lab.exact_name(&fits)))
        .collect();
    for (pattern, fits) in &pairs {
        lab.make(pattern).await?;
        lab.make(fits).await?;
    }
    for (pattern, _) in &pairs {
        let user = lab.reader("u", &[pattern]).await?;
        let mut client = lab.open(GRANT, "after the grant", &user).await?;
        client.must_read(GRANT, "after the grant", pattern).await?;
        for closed in pairs.iter().flat_map(|(pattern, fits)| [pattern, fits]).filter(|table| *table != pattern) {
            let when = format!("after a grant on {pattern} only");
            client.must_be_denied(GRANT, &when, &Attempt::Read(closed.clone())).await?;
            let reads = lab.reads(READS, &user, closed).await?;
            READS.unless(!matches!(reads, Reads::Yes(_)), || format!("{when}, of {closed}: {reads:?}"))?;
        }
        // And taking back a table takes back no other one.
        let mut kept = Vec::new();
        for (_, fits) in &pairs {
            lab.grant(&user, fits).await?;
            kept.push(fits);
        }
        let revoked = lab.admin().revoke(&user.user, std::slice::from_ref(pattern)).await;
        REVOKE.answer(&format!("revoke of {pattern}"), revoked)?;
        for table in kept {
            client.must_read(REVOKE, &format!("after a revoke of {pattern} only"), table).await?;
        }
    }
    Ok(())
}
