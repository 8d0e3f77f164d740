//! `dzconn credentials`: what a consumer needs.

use dzconn_core::model::{Credentials, SecretName};
use dzconn_core::store::{Slot, StoredSecret};
use dzconn_core::{Error, ErrorKind, Result, Step};
use serde_json::{Value, json};

use super::source_record;
use crate::args::CredentialsArgs;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::output::Paint;
use crate::world::World;

pub(crate) async fn credentials(world: World, args: CredentialsArgs) -> failure::Result {
    let failed = |error| Failure::looking(format!("no credentials of {}", args.environment), error);
    let (name, secret) = read(&world, &args).await.map_err(failed)?;
    let show = args.show_password;
    world.output.show(|| json(&name, &secret, show), |paint| text(paint, &name, &secret, show));
    Ok(Exit::Done)
}

async fn read(world: &World, args: &CredentialsArgs) -> Result<(SecretName, StoredSecret)> {
    let store = world.existing_store().await?;
    let record = source_record(world, &store, &args.environment, args.source.as_deref()).await?;
    let gone = |what: &str| {
        Error::new(ErrorKind::SecretGone, what)
            .at(Step::ConsumerSecret)
            .on_source(world.directory.name_of(&record.key.connection))
            .advise("the next event or grant for the environment makes what is missing")
    };
    let Some(generation) = &record.generation else {
        return Err(gone("the environment's access has ended"));
    };
    let slot = store.copies(&record).await?.read(&generation.copy).await?;
    store.close().await;
    match slot {
        Slot::Live(secret) => Ok((generation.copy.clone(), *secret)),
        Slot::Empty => Err(gone(&format!("the secret {} has not been made yet", generation.copy))),
        Slot::Burnt => Err(gone(&format!("the secret {} was deleted", generation.copy))),
    }
}

fn json(name: &SecretName, secret: &StoredSecret, show: bool) -> Value {
    let Credentials { endpoint, database, user, password, ssl } = &secret.credentials;
    let mut json = json!({
        "jdbc_url": secret.credentials.jdbc_url(),
        "engine": endpoint.subprotocol,
        "host": endpoint.host,
        "port": endpoint.port,
        "database": database,
        "user": user,
        "ssl": ssl,
        "secret": {"name": name, "id": secret.id},
    });
    if let (true, Value::Object(json)) = (show, &mut json) {
        json.insert("password".to_owned(), password.expose().into());
    }
    json
}

fn text(paint: Paint, name: &SecretName, secret: &StoredSecret, show: bool) -> String {
    let Credentials { endpoint, database, user, password, ssl } = &secret.credentials;
    let tls = match ssl {
        Some(true) => "required",
        Some(false) => "not used",
        None => "not known",
    };
    let hidden = "hidden; --show-password prints it";
    let port = endpoint.port.to_string();
    let jdbc = secret.credentials.jdbc_url();
    let lines = [
        ("jdbc url", jdbc.as_str()),
        ("host", &endpoint.host),
        ("port", &port),
        ("database", database.as_deref().unwrap_or("-")),
        ("user", user.as_str()),
        ("password", if show { password.expose() } else { hidden }),
        ("tls", tls),
        ("secret", name.as_str()),
    ];
    lines.iter().map(|(what, value)| format!("{}  {value}\n", paint.dim(&format!("{what:<8}")))).collect()
}
