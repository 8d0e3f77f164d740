//! Azure SQL Database: users are contained, and there is no other database.

use dzconn_core::engine::{Created, Login, Reads};
use dzconn_core::model::{AdminLogin, AssetPath, Credentials, Source, TableName, Tls, UserName};
use dzconn_core::{EngineConnector, ErrorKind, Secret};
use libtest_mimic::Trial;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;
use url::Url;

use crate::lab::{Connection, PASSWORD, deadline, name, quick, run, session, source};

async fn client(source: &Source, user: &str, password: &str) -> tiberius::Result<Connection> {
    let mut config = Config::new();
    config.host(&source.endpoint.host);
    config.port(source.endpoint.port);
    config.database(source.endpoint.database().unwrap());
    config.authentication(AuthMethod::sql_server(user, password));
    config.encryption(EncryptionLevel::Required);
    config.trust_cert();
    let stream = TcpStream::connect((source.endpoint.host.as_str(), source.endpoint.port)).await?;
    Box::pin(Client::connect(config, stream.compat_write())).await
}

async fn a_contained_user_comes_and_goes(url: Url) {
    let source = Source { tls: Tls::Require, ..source(&url) };
    let database = source.endpoint.database().unwrap().to_owned();
    let prefix = format!("t{:08x}", rand::random::<u32>());
    let mut root = client(&source, &source.admin.user, source.admin.password.expose()).await.unwrap();
    let table = TableName::in_schema(&database, "dbo", format!("{prefix}]'t")).unwrap();
    let elsewhere = TableName::in_schema(format!("{prefix}db"), "dbo", "t").unwrap();
    let quoted = format!("dbo.{}", name(table.name()));
    run(&mut root, &format!("CREATE TABLE {quoted} (id int)")).await.unwrap();
    let user = Credentials {
        endpoint: source.endpoint.clone(),
        database: Some(database.clone()),
        user: UserName::new(format!("{prefix}]'u")).unwrap(),
        password: Secret::new(PASSWORD.into()),
        ssl: Some(true),
    };
    let log_in = async |table: Option<&TableName>| quick().log_in(&source, &user, table, deadline()).await.unwrap();

    let mut admin = session(&source).await;
    let path = AssetPath::new(table.joined().to_uppercase()).unwrap();
    assert_eq!(admin.resolve(&path).await.unwrap(), table);
    assert_eq!(log_in(None).await, Login::Refused);
    assert_eq!(admin.create_user(&user).await.unwrap(), Created::New);
    assert_eq!(admin.create_user(&user).await.unwrap(), Created::Existed);
    assert_eq!(admin.users(&prefix).await.unwrap(), std::slice::from_ref(&user.user));
    assert_eq!(log_in(Some(&table)).await, Login::In(Some(Reads::No)));
    admin.grant(&user.user, &table, &[]).await.unwrap();
    assert!(matches!(log_in(Some(&table)).await, Login::In(Some(Reads::Yes(_)))));
    assert!(matches!(admin.reads(&user.user, &table).await.unwrap(), Reads::Yes(_)));
    assert_eq!(admin.granted(&user.user).await.unwrap(), std::slice::from_ref(&table));
    assert_eq!(admin.excess(&user.user, std::slice::from_ref(&table), 10).await.unwrap(), Vec::<String>::new());

    let error = admin.grant(&user.user, &elsewhere, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableNotFound, "{error:?}");
    assert!(error.advice().unwrap().contains("one database"), "{error:?}");
    assert!(matches!(admin.reads(&user.user, &elsewhere).await.unwrap(), Reads::CannotTell(_)));
    assert_eq!(log_in(Some(&elsewhere)).await, Login::In(Some(Reads::No)));

    // An admin that may see nobody does not take that for nobody.
    let blind = format!("{prefix}blind");
    run(&mut root, &format!("CREATE USER {blind} WITH PASSWORD = N'{PASSWORD}'")).await.unwrap();
    let mut other = source.clone();
    other.admin = AdminLogin { user: blind.clone(), password: Secret::new(PASSWORD.into()) };
    let mut blinded = session(&other).await;
    for error in [
        blinded.drop_user(&user.user).await.unwrap_err(),
        blinded.user_exists(&user.user).await.unwrap_err(),
        blinded.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap_err(),
        blinded.users(&prefix).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::AdminDenied, "{error:?}");
        assert!(error.advice().unwrap().contains("GRANT ALTER ANY USER TO"), "{error:?}");
    }
    assert!(matches!(blinded.reads(&user.user, &table).await.unwrap(), Reads::CannotTell(_)));
    blinded.close().await.unwrap();
    run(&mut root, &format!("DROP USER {blind}")).await.unwrap();
    assert!(matches!(log_in(Some(&table)).await, Login::In(Some(Reads::Yes(_)))));

    let mut reader = client(&source, user.user.as_str(), PASSWORD).await.unwrap();
    run(&mut reader, &format!("SELECT COUNT(*) FROM {quoted}")).await.unwrap();
    admin.revoke(&user.user, std::slice::from_ref(&table)).await.unwrap();
    assert!(run(&mut reader, &format!("SELECT COUNT(*) FROM {quoted}")).await.is_err());
    let shut_out = format!("REVOKE CONNECT FROM {}", name(user.user.as_str()));
    run(&mut root, &shut_out).await.unwrap();
    assert_eq!(log_in(None).await, Login::Refused);
    assert_eq!(admin.create_user(&user).await.unwrap(), Created::Existed);
    assert_eq!(log_in(None).await, Login::In(None));
    admin.set_password(&user).await.unwrap();
    admin.drop_user(&user.user).await.unwrap();
    admin.drop_user(&user.user).await.unwrap();
    assert!(run(&mut reader, "SELECT 1").await.is_err(), "its session lives on");
    assert!(!admin.user_exists(&user.user).await.unwrap());
    assert_eq!(log_in(None).await, Login::Refused);
    run(&mut root, &format!("DROP TABLE {quoted}")).await.unwrap();
}

pub(crate) fn trials(urls: &[Url]) -> Vec<Trial> {
    const NAME: &str = "azure::a_contained_user_comes_and_goes";
    if urls.is_empty() {
        return vec![Trial::test(NAME, || Ok(())).with_ignored_flag(true)];
    }
    let trial = |url: &Url| {
        let url = url.clone();
        let name = format!("{NAME} on {}:{}", url.host_str().unwrap_or("?"), url.port().unwrap_or(1433));
        Trial::test(name, move || {
            crate::runtime().block_on(a_contained_user_comes_and_goes(url));
            Ok(())
        })
    };
    urls.iter().map(trial).collect()
}
