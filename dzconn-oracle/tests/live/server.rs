//! What only a real server can answer.

use std::sync::Arc;
use std::time::Duration;

use dzconn_core::engine::{Created, Lock, LockKey, Login as LoggedIn, Reads};
use dzconn_core::model::{
    AdminLogin, AssetPath, ConnectionId, Credentials, EnvironmentId, Source, SourceEndpoint, SourceKey, TableName,
    Target, Tls, UserName,
};
use dzconn_core::{Deadline, EngineConnector, ErrorKind, Secret};
use dzconn_oracle::driver::{Bind, Connection, Driver, Login, Trouble};
use libtest_mimic::{Failed, Trial};
use url::Url;

type Test = fn(&Server);

const TESTS: &[(&str, Test)] = &[
    ("server::a_user_comes_reads_and_goes", life),
    ("server::a_lock_is_known_to_every_session", lock),
    ("server::what_is_wrong_with_a_login_is_told", wrong_logins),
    ("server::the_driver_binds_and_answers_as_promised", binds),
    ("server::a_call_that_takes_too_long_is_given_up", slow_call),
];

pub(crate) fn trials() -> Vec<Trial> {
    let urls = std::env::var("DZCONN_TEST_ORACLE_URLS").unwrap_or_default();
    let servers: Vec<Server> = urls.split_whitespace().map(Server::new).collect();
    if servers.is_empty() {
        return TESTS.iter().map(|(name, _)| Trial::test(*name, || Ok(())).with_ignored_flag(true)).collect();
    }
    let on = |server: &Server| {
        let server = server.clone();
        TESTS.iter().map(move |(name, test)| {
            let (server, name) = (server.clone(), format!("{name} on {}", server.source.endpoint));
            Trial::test(name, move || {
                test(&server);
                Ok::<(), Failed>(())
            })
        })
    };
    servers.iter().flat_map(on).collect()
}

#[derive(Clone)]
struct Server {
    source: Source,
    driver: Arc<dyn Driver>,
}

fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

impl Server {
    fn new(url: &str) -> Self {
        let url: Url = url.parse().expect("oracle://user:password@host:port/service");
        let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let driver: Arc<dyn Driver> = match query("driver").as_deref() {
            #[cfg(feature = "thin")]
            None | Some("thin") => Arc::new(dzconn_oracle::driver::thin()),
            #[cfg(feature = "odpi")]
            Some("odpi") => Arc::new(dzconn_oracle::driver::odpi()),
            other => panic!("no driver {other:?} was built in"),
        };
        let tls = match query("tls").as_deref() {
            None => Tls::Disable,
            Some("verify-full") => Tls::VerifyFull(None),
            Some(other) => panic!("no TLS mode {other:?}"),
        };
        let source = Source {
            connection: ConnectionId::new("live").unwrap(),
            endpoint: SourceEndpoint {
                subprotocol: "oracle".into(),
                host: url.host_str().unwrap_or_default().into(),
                port: url.port().unwrap_or(1521),
                instance: None,
                target: Target::Service(url.path().trim_start_matches('/').into()),
            },
            admin: AdminLogin {
                user: decoded(url.username()),
                password: Secret::new(decoded(url.password().unwrap_or_default())),
            },
            tls,
        };
        Self { source, driver }
    }

    fn engine(&self) -> dzconn_oracle::Oracle {
        dzconn_oracle::connector().driver(Arc::clone(&self.driver))
    }

    /// Past the engine.
    fn open(&self) -> Box<dyn Connection> {
        let Source { endpoint, admin, tls, .. } = self.source.clone();
        let login = Login { endpoint, user: admin.user, password: admin.password, tls };
        self.driver.connect(&login, Duration::from_secs(15)).unwrap()
    }
}

fn sql(connection: &mut dyn Connection, text: &str) -> Vec<Vec<Option<String>>> {
    connection.execute(text, &[], Duration::from_secs(30)).unwrap()
}

fn deadline() -> Deadline {
    Deadline::within(Duration::from_secs(60))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

fn tag() -> String {
    format!("{:X}", std::process::id())
}

fn life(server: &Server) {
    let mut admin = server.open();
    let owner = sql(admin.as_mut(), "SELECT USER FROM dual")[0][0].clone().unwrap();
    let name = format!("Live 'table' {}", tag());
    sql(admin.as_mut(), &format!("CREATE TABLE \"{name}\" (n NUMBER)"));
    let engine = server.engine();
    let user = engine.fold_user_name(UserName::new(format!("dz_live_{}", tag())).unwrap());
    let mut credentials = Credentials {
        endpoint: server.source.endpoint.clone(),
        database: None,
        user: user.clone(),
        password: Secret::new("Live-0_pw-abcdefghijklmnopqrst".to_owned()),
        ssl: None,
    };
    block_on(async {
        let mut session = engine.connect(&server.source, deadline()).await.unwrap();
        let Target::Service(service) = &server.source.endpoint.target else { panic!("a service") };
        let path = AssetPath::new(format!("{service}.{owner}.{}", name.to_lowercase())).unwrap();
        let table = session.resolve(&path).await.unwrap();
        assert_eq!(table, TableName::in_schema(service, &owner, &name).unwrap());
        assert_eq!(session.create_user(&credentials).await.unwrap(), Created::New);
        assert_eq!(session.create_user(&credentials).await.unwrap(), Created::Existed);
        let log_in = |credentials: Credentials, table: TableName| {
            let engine = engine.clone();
            async move { engine.log_in(&server.source, &credentials, Some(&table), deadline()).await.unwrap() }
        };
        assert_eq!(log_in(credentials.clone(), table.clone()).await, LoggedIn::In(Some(Reads::No)));
        session.grant(&user, &table, &[]).await.unwrap();
        assert!(matches!(log_in(credentials.clone(), table.clone()).await, LoggedIn::In(Some(Reads::Yes(_)))));
        assert!(matches!(session.reads(&user, &table).await.unwrap(), Reads::Yes(_)));
        assert_eq!(session.granted(&user).await.unwrap(), std::slice::from_ref(&table));
        // PUBLIC has this and that on a server that others use, too.
        let own = format!("\"{user}\" has ");
        let found = session.excess(&user, std::slice::from_ref(&table), 99).await.unwrap();
        assert!(!found.iter().any(|line| line.starts_with(&own)), "{found:?}");
        credentials.password = Secret::new("Other-0_pw-abcdefghijklmnopqr".to_owned());
        assert_eq!(log_in(credentials.clone(), table.clone()).await, LoggedIn::Refused);
        session.set_password(&credentials).await.unwrap();
        session.revoke(&user, std::slice::from_ref(&table)).await.unwrap();
        session.revoke(&user, std::slice::from_ref(&table)).await.unwrap();
        assert_eq!(log_in(credentials.clone(), table.clone()).await, LoggedIn::In(Some(Reads::No)));
        session.drop_user(&user).await.unwrap();
        session.drop_user(&user).await.unwrap();
        assert!(!session.user_exists(&user).await.unwrap());
        assert_eq!(log_in(credentials.clone(), table.clone()).await, LoggedIn::Refused, "it was dropped");
        session.close().await.unwrap();
    });
    sql(admin.as_mut(), &format!("DROP TABLE \"{name}\" PURGE"));
}

fn lock(server: &Server) {
    let engine = server.engine();
    let key = LockKey::new(&SourceKey {
        connection: ConnectionId::new("live").unwrap(),
        environment: EnvironmentId::new(format!("e{}", tag())).unwrap(),
    });
    let (wait, hold) = (Duration::from_secs(1), Duration::from_secs(60));
    block_on(async {
        let mut one = engine.connect(&server.source, deadline()).await.unwrap();
        let mut other = engine.connect(&server.source, deadline()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(one.lock(&key, wait, hold).await.unwrap(), Lock::Held);
        }
        let error = other.lock(&key, wait, hold).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert!(error.advice().unwrap().contains("KILL SESSION"), "{error:?}");
        // Under the lock a change that does nothing goes through.
        let nobody = UserName::new("DZ_LIVE_NOBODY").unwrap();
        one.drop_user(&nobody).await.unwrap();
        drop(one);
        assert_eq!(other.lock(&key, Duration::from_secs(10), hold).await.unwrap(), Lock::Held);
        other.unlock().await.unwrap();
        other.close().await.unwrap();
    });
}

fn wrong_logins(server: &Server) {
    let connect = |source: &Source| block_on(server.engine().connect(source, deadline())).unwrap_err();
    let mut source = server.source.clone();
    source.admin.password = Secret::new("wrong".to_owned());
    let error = connect(&source);
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::AdminLoginRefused, Some("ORA-01017")), "{error:?}");
    // What the server makes up for an account that does not exist must not confuse the driver.
    let mut source = server.source.clone();
    "DZ_LIVE_NOBODY".clone_into(&mut source.admin.user);
    let error = connect(&source);
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::AdminLoginRefused, Some("ORA-01017")), "{error:?}");
    let mut source = server.source.clone();
    source.endpoint.target = Target::Service("dzconn.no.such.service".to_owned());
    let error = connect(&source);
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unreachable, Some("ORA-12514")), "{error:?}");
    source.endpoint.target = Target::Sid("NOSUCH".to_owned());
    let error = connect(&source);
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unreachable, Some("ORA-12505")), "{error:?}");
}

fn binds(server: &Server) {
    let mut connection = server.open();
    let text = "it's \u{1f600} :1";
    let rows = connection.execute(
        "SELECT :1 AS a, TO_CHAR(:2) AS b, NULL AS c FROM dual UNION ALL SELECT 'x', 'y', 'z' FROM dual",
        &[Bind::Text(text.to_owned()), Bind::Number(-7)],
        Duration::from_secs(30),
    );
    let value = |text: &str| Some(text.to_owned());
    assert_eq!(rows.unwrap(), [vec![value(text), value("-7"), None], vec![value("x"), value("y"), value("z")]]);
    // All rows, however many the driver fetches at once.
    let many = sql(connection.as_mut(), "SELECT TO_CHAR(LEVEL) FROM dual CONNECT BY LEVEL <= 1234");
    assert_eq!((many.len(), many[1233][0].as_deref()), (1234, Some("1234")));
    // The first code is the one that the block let pass.
    let raise = "DECLARE what VARCHAR2(100) := :1; BEGIN EXECUTE IMMEDIATE what; END;";
    let refusal =
        connection.execute(raise, &[Bind::Text("DROP USER \"No such user\"".to_owned())], Duration::from_secs(30));
    assert_eq!(refusal.unwrap_err().trouble, Trouble::Server(1918));
    let refusal = connection.execute("BEGIN RAISE_APPLICATION_ERROR(-20900, 'x'); END;", &[], Duration::from_secs(30));
    assert_eq!(refusal.unwrap_err().trouble, Trouble::Server(20_900));
    connection.close().unwrap();
}

fn slow_call(server: &Server) {
    let mut connection = server.open();
    let start = std::time::Instant::now();
    let sleep =
        "DECLARE n INTEGER; BEGIN n := SYS.DBMS_LOCK.REQUEST(id => 7, timeout => 0); SYS.DBMS_LOCK.SLEEP(20); END;";
    let refusal = connection.execute(sleep, &[], Duration::from_secs(1)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(matches!(refusal.trouble, Trouble::Silent | Trouble::Lost | Trouble::Server(1013)), "{refusal:?}");
}
