//! The sample database, and the admin user that dzconn gets on it: no superuser, as on a managed service.

use dzconn_core::{Error, ErrorKind, Result, Secret};

use super::client::{Client, Refusal};
use super::server::{Kind, Running};

/// dzconn's own user.
pub(super) const ADMIN: &str = "dzconn_admin";

/// Makes database, tables and admin. The password consists of letters, digits, `-` and `_`.
pub(super) async fn create(server: &Running, admin_password: &Secret) -> Result<()> {
    let (user, password) = server.superuser();
    let password = Secret::new(password.to_owned());
    let made = match server.kind() {
        Kind::Postgres => postgres(server.port(), user, &password, admin_password).await,
        Kind::MariaDb => mariadb(server.port(), user, &password, admin_password).await,
    };
    made.map_err(|refusal| Error::new(ErrorKind::Unexpected, format!("the sample was not made: {refusal}")))
}

const TABLES: [(&str, u32, &str); 3] =
    [("employees", 100, "name"), ("offices", 7, "city"), ("salaries", 100, "amount")];

async fn postgres(
    port: u16,
    user: &str,
    password: &Secret,
    admin_password: &Secret,
) -> std::result::Result<(), Refusal> {
    let mut first = Client::log_in_to(Kind::Postgres, port, user, password, "postgres").await?;
    first.run("CREATE DATABASE sales".to_owned()).await?;
    first.close().await;
    let mut client = Client::log_in(Kind::Postgres, port, user, password).await?;
    let mut sql =
        "REVOKE CREATE, TEMPORARY ON DATABASE sales FROM PUBLIC; REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
                   CREATE SCHEMA hr;\n"
            .to_owned();
    for (table, rows, column) in TABLES {
        sql.push_str(&format!(
            "CREATE TABLE hr.{table} (id integer PRIMARY KEY, {column} text NOT NULL);\n\
             INSERT INTO hr.{table} SELECT n, '{column} ' || n FROM generate_series(1, {rows}) AS n;\n"
        ));
    }
    sql.push_str(&format!(
        "CREATE ROLE {ADMIN} LOGIN CREATEROLE PASSWORD '{}';\n\
         GRANT CONNECT ON DATABASE sales TO {ADMIN} WITH GRANT OPTION;\n\
         GRANT USAGE ON SCHEMA hr TO {ADMIN} WITH GRANT OPTION;\n\
         GRANT SELECT ON ALL TABLES IN SCHEMA hr TO {ADMIN} WITH GRANT OPTION;",
        admin_password.expose()
    ));
    client.run(sql).await?;
    client.close().await;
    Ok(())
}

async fn mariadb(
    port: u16,
    user: &str,
    password: &Secret,
    admin_password: &Secret,
) -> std::result::Result<(), Refusal> {
    let mut client = Client::log_in(Kind::MariaDb, port, user, password).await?;
    let mut sql = "CREATE DATABASE hr;\n".to_owned();
    for (table, rows, column) in TABLES {
        sql.push_str(&format!(
            "CREATE TABLE hr.{table} (id integer PRIMARY KEY, {column} text NOT NULL);\n\
             INSERT INTO hr.{table} SELECT seq, concat('{column} ', seq) FROM hr.seq_1_to_{rows};\n"
        ));
    }
    sql.push_str(&format!(
        "CREATE USER {ADMIN}@'%' IDENTIFIED BY '{}';\n\
         GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO {ADMIN}@'%';\n\
         GRANT SELECT ON mysql.* TO {ADMIN}@'%';\n\
         GRANT SELECT ON hr.* TO {ADMIN}@'%' WITH GRANT OPTION;",
        admin_password.expose()
    ));
    client.run(sql).await?;
    client.close().await;
    Ok(())
}
