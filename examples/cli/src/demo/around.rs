//! How to look around in what the demo leaves running. No password stands in a command: clients read them from files.

use dzconn_core::Result;

use super::server::Kind;
use super::stage::{ENVIRONMENT, Stage, write};
use super::story::{consumer_secret, grant};
use crate::output::{Output, print, print_error};

/// Grants once more, so that there is something to see, and writes the files with the logins.
pub(super) async fn prepare(stage: &Stage<'_>) -> Result<()> {
    let (granted, _) = grant(stage, &stage.subscription("employees")?).await?;
    let consumer = consumer_secret(stage, &granted.secret).await?;
    let (owner, owner_password) = stage.server.superuser();
    let logins = [("owner", owner, owner_password), ("consumer", consumer.user.as_str(), consumer.password.expose())];
    for (who, user, password) in logins {
        let text = match stage.kind() {
            Kind::Postgres => format!("*:*:*:{user}:{password}\n"),
            Kind::MariaDb => {
                format!("[client]\nhost=127.0.0.1\nport={}\nuser={user}\npassword={password}\n", stage.server.port())
            }
        };
        write(&stage.file(&format!("{who}.login")), &text)?;
        // The user's name is no secret.
        write(&stage.file(&format!("{who}.name")), user)?;
    }
    Ok(())
}

pub(super) fn show(stages: &[Stage<'_>], output: Output) {
    let dzconn = std::env::current_exe().map_or_else(|_| "dzconn".to_owned(), |path| path.display().to_string());
    let mut text = format!("\nLook around; Ctrl-C ends everything. {ENVIRONMENT} reads hr.employees again.\n");
    for stage in stages {
        text.push_str(&format!("\n{}, its log: {}\n", stage.kind().product(), stage.server.log_file().display()));
        let (database, port) = (stage.kind().database(), stage.server.port());
        for who in ["owner", "consumer"] {
            let login = stage.file(&format!("{who}.login"));
            let login = login.display();
            text.push_str(&match stage.kind() {
                Kind::Postgres => {
                    let name = stage.file(&format!("{who}.name"));
                    format!(
                        "  as the {who}:  PGPASSFILE={login} psql -h 127.0.0.1 -p {port} -U \"$(cat {})\" {database}\n",
                        name.display()
                    )
                }
                Kind::MariaDb => format!("  as the {who}:  mariadb --defaults-extra-file={login} {database}\n"),
            });
        }
        let [directory, store, key] = ["dzconn.toml", "store.sqlite", "store.key"].map(|name| stage.file(name));
        text.push_str(&format!(
            "  as the operator:  {dzconn} --directory {} --store {} --store-key-file {} list\n",
            directory.display(),
            store.display(),
            key.display()
        ));
    }
    // Standard output has the document already.
    if output.json { print_error(&text) } else { print(&text) }
}
