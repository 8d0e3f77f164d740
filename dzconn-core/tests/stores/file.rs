//! What a file has and another store has not: a mode, a key, editors, calls that meet it locked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dzconn_core::ErrorKind;
use dzconn_core::sqlite::{LocalOptions, LocalStore, SecretKey};
use dzconn_core::store::{
    Change, CredentialStore, Expect, Query, Record, SecretVersion, Slot, TrackingStore, Transaction, WriteOutcome,
};
use dzconn_core::testkit::credentials::SecretSample;
use dzconn_core::testkit::tracking::{Sample, version};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::place::{Place, counter, finds, put, quoted, records};

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    for options in [LocalOptions::new(), LocalOptions::new().key(SecretKey::generate())] {
        let place = Place::new();
        let (sample, secrets) = (Sample::new(), SecretSample::new());
        let name = secrets.name("");
        let record = Record::Source(sample.source(0));
        let store = place.open(options.clone()).await;
        put(&store, &record, Expect::Absent).await;
        let created = store.credentials().create(&name, &secrets.secret("s3cret")).await.unwrap();
        store.credentials().burn(&secrets.name("-burnt")).await.unwrap();
        store.close().await;

        let store = place.open(options).await;
        let found = store.tracking().read(&[record.key()]).await.unwrap();
        assert_eq!(found[0].as_ref().map(|stored| &stored.record), Some(&record));
        assert_eq!(store.credentials().read(&name).await.unwrap(), created);
        assert_eq!(store.credentials().read(&secrets.name("-burnt")).await.unwrap(), Slot::Burnt);
        let Slot::Live(created) = created else { panic!("{created:?}") };
        assert_eq!(created.id.as_str(), format!("local:{name}"));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_but_the_owner_can_use_the_files() {
    let place = Place::new();
    let store = place.open(LocalOptions::new()).await;
    put(&store, &Record::Source(Sample::new().source(0)), Expect::Absent).await;
    let files: Vec<_> = fs::read_dir(place.directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "the journal is there while the store is open: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_file_that_others_can_read_is_refused() {
    for (suffix, others) in [("", 0o640), ("", 0o604), ("", 0o620), ("-wal", 0o644), ("-shm", 0o666)] {
        let place = Place::new();
        let _open = place.open(LocalOptions::new()).await;
        let file = PathBuf::from(format!("{}{suffix}", place.path().display()));
        if !file.exists() {
            fs::write(&file, "").unwrap();
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(others)).unwrap();
        let error = LocalStore::open(place.path(), LocalOptions::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.advice().unwrap().contains("chmod 600") && error.detail().contains(suffix), "{error:?}");
    }
}

#[tokio::test]
async fn a_store_opens_with_its_key_only() {
    let (right, wrong) = (SecretKey::generate(), SecretKey::generate());
    let encrypted = Place::new();
    encrypted.open(LocalOptions::new().key(right.clone())).await.close().await;
    let plain = Place::new();
    plain.open(LocalOptions::new()).await.close().await;
    for (place, options, says) in [
        (&encrypted, LocalOptions::new(), "no key is given"),
        (&encrypted, LocalOptions::new().key(wrong), "not that of the store"),
        (&plain, LocalOptions::new().key(right.clone()), "not encrypted"),
    ] {
        let error = LocalStore::open(place.path(), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.detail().contains(says) && error.advice().is_some(), "{error:?}");
    }
    assert!(encrypted.open(LocalOptions::new().key(right)).await.is_encrypted());
}

#[tokio::test]
async fn an_encrypted_file_shows_no_password() {
    let place = Place::new();
    let store = place.open(LocalOptions::new().key(SecretKey::generate())).await;
    let (secrets, password) = (SecretSample::new(), "correct-horse-battery-staple");
    let created = store.credentials().create(&secrets.name(""), &secrets.secret(password)).await.unwrap();
    let Slot::Live(created) = created else { panic!("{created:?}") };
    assert_eq!(created.credentials.password.expose(), password);
    let other = secrets.secret("another-long-password");
    store.credentials().replace(&secrets.name(""), &created.version, &other).await.unwrap();
    assert!(contains(&place.bytes(), secrets.name("").as_str()), "the name is found, so the search works");
    for text in [password, "another-long-password", "db.internal", "dz_environment_0a1b2c3d"] {
        assert!(!contains(&place.bytes(), text), "{text}");
    }
    store.close().await;
    assert!(!contains(&place.bytes(), password));
}

#[tokio::test]
async fn a_burnt_value_leaves_a_plain_file() {
    let place = Place::new();
    let store = place.open(LocalOptions::new()).await;
    let (secrets, password) = (SecretSample::new(), "correct-horse-battery-staple");
    store.credentials().create(&secrets.name(""), &secrets.secret(password)).await.unwrap();
    assert!(contains(&place.bytes(), password), "without a key it is plain text, as documented");
    store.credentials().burn(&secrets.name("")).await.unwrap();
    assert!(!contains(&place.bytes(), password));
    assert!(contains(&place.bytes(), secrets.name("").as_str()), "the name stays used up");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_proposed_value_is_kept_as_the_secret_is() {
    let password = "correct-horse-battery-staple";
    for (options, shown) in [(LocalOptions::new(), true), (LocalOptions::new().key(SecretKey::generate()), false)] {
        let place = Place::new();
        let store = place.open(options).await.credentials();
        let (secrets, ours) = (SecretSample::new(), SecretVersion::chosen(7));
        let name = secrets.name("");
        store.create(&name, &secrets.secret("old")).await.unwrap();
        store.propose(&name, &ours, &secrets.secret(password).credentials).await.unwrap();
        assert_eq!(contains(&place.bytes(), password), shown);
        store.burn(&name).await.unwrap();
        assert!(!contains(&place.bytes(), password), "it goes with the secret");
    }
}

/// What a store of version 1 has instead, as that version made it.
const VERSION_1: &str = "DROP TABLE proposals; DROP VIEW buckets; DROP VIEW object_subscriptions;
    ALTER TABLE secrets DROP COLUMN pending;
    ALTER TABLE secrets ADD COLUMN pending INTEGER NOT NULL DEFAULT 0; PRAGMA user_version = 1";

#[tokio::test]
async fn a_file_of_the_version_before_is_taken_over() {
    for options in [LocalOptions::new(), LocalOptions::new().key(SecretKey::generate())] {
        let place = Place::new();
        let (secrets, ours) = (SecretSample::new(), SecretVersion::chosen(7));
        let (name, burnt) = (secrets.name(""), secrets.name("-burnt"));
        let store = place.open(options.clone()).await;
        let created = store.credentials().create(&name, &secrets.secret("old")).await.unwrap();
        let Slot::Live(created) = created else { panic!("{created:?}") };
        store.credentials().burn(&burnt).await.unwrap();
        store.close().await;
        place.editor().run(VERSION_1.to_owned()).await;

        let wrong = LocalStore::open(place.path(), LocalOptions::new().key(SecretKey::generate())).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidConfig, "whose key is not the store's does not change it");
        // Two at once, and once more.
        let (one, two) = tokio::join!(place.open(options.clone()), place.open(options.clone()));
        let three = place.open(options).await;
        for store in [one, two, three] {
            let store = store.credentials();
            let Slot::Live(now) = store.read(&name).await.unwrap() else { panic!("it is gone") };
            assert_eq!((&now.version, &now.credentials), (&created.version, &created.credentials));
            assert_eq!(store.read(&burnt).await.unwrap(), Slot::Burnt);
            let Slot::Live(there) = store.propose(&name, &ours, &secrets.secret("new").credentials).await.unwrap()
            else {
                panic!("nothing is there")
            };
            assert_eq!((there.pending.as_ref(), there.credentials.password.expose()), (Some(&ours), "new"));
        }
    }
}

#[tokio::test]
async fn an_encrypted_value_is_bound_to_its_name_and_version() {
    let place = Place::new();
    let store = place.open(LocalOptions::new().key(SecretKey::generate())).await;
    let secrets = SecretSample::new();
    for name in ["-1", "-2"] {
        store.credentials().create(&secrets.name(name), &secrets.secret(name)).await.unwrap();
    }
    let (one, two) = (quoted(secrets.name("-1").as_str()), quoted(secrets.name("-2").as_str()));
    let edit = format!("SELECT value, version FROM secrets WHERE name = {two}");
    place.editor().run(format!("UPDATE secrets SET (value, version) = ({edit}) WHERE name = {one}")).await;
    let error = store.credentials().read(&secrets.name("-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretInvalid, "{error}");
    place.editor().run(format!("UPDATE secrets SET version = 'another' WHERE name = {two}")).await;
    let error = store.credentials().read(&secrets.name("-2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretInvalid, "{error}");
}

#[tokio::test]
async fn a_record_under_the_wrong_key_or_with_a_wrong_version_cannot_be_read() {
    let place = Place::new();
    let store = place.open(LocalOptions::new()).await;
    let sample = Sample::new();
    let records: Vec<_> = (0..3).map(|n| Record::Mapping(sample.mapping(n))).collect();
    for record in &records {
        put(&store, record, Expect::Absent).await;
    }
    let [first, second, third] = [0, 1, 2].map(|n: usize| records[n].key());
    place.editor().run(format!("UPDATE records SET version = 'yesterday' WHERE {}", finds(&first))).await;
    place
        .editor()
        .run(format!(
            "UPDATE records SET record = (SELECT record FROM records WHERE {}) WHERE {}",
            finds(&third),
            finds(&second)
        ))
        .await;
    for key in [&first, &second] {
        let error = store.tracking().read(std::slice::from_ref(key)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RecordInvalid);
        assert!(error.to_string().contains(&key.to_string()) && error.advice().is_some(), "{error:?}");
    }
    let page = store.tracking().list(&Query::Mappings, None).await.unwrap();
    let readable: Vec<_> = page.records.iter().flatten().map(|stored| stored.record.key()).collect();
    assert_eq!((page.records.len(), readable), (3, vec![third]));
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let text = "to do: buy milk\n".repeat(100);
    fs::write(place.path(), &text).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let error = LocalStore::open(place.path(), LocalOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);

    let place = Place::new();
    fs::write(place.path(), "").unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).unwrap();
    place.editor().run("CREATE TABLE somebodys (x); INSERT INTO somebodys VALUES (1)".to_owned()).await;
    let before = fs::read(place.path()).unwrap();
    let error = LocalStore::open(place.path(), LocalOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert_eq!(fs::read(place.path()).unwrap(), before);

    let place = Place::new();
    place.open(LocalOptions::new()).await.close().await;
    place.editor().run("PRAGMA user_version = 3".to_owned()).await;
    let error = LocalStore::open(place.path(), LocalOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.detail().contains("version 3") && error.advice().unwrap().contains("newer"), "{error:?}");

    for path in [place.directory.path().to_owned(), place.directory.path().join("missing/store.db")] {
        let error = LocalStore::open(&path, LocalOptions::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    }
}

#[tokio::test]
async fn any_file_name_is_a_file_name() {
    let place = Place::new();
    for name in [":memory:", "file:x?mode=memory", "a b%20'\"?#&é.db", "-"] {
        let path = place.directory.path().join(name);
        let record = Record::Mapping(Sample::new().mapping(0));
        let store = LocalStore::open(&path, LocalOptions::new()).await.unwrap();
        put(&store, &record, Expect::Absent).await;
        store.close().await;
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
        let store = LocalStore::open(&path, LocalOptions::new()).await.unwrap();
        assert!(store.tracking().read(&[record.key()]).await.unwrap()[0].is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_file_that_another_process_keeps_busy_is_a_matter_of_time() {
    let place = Place::new();
    let store = place.open(LocalOptions::new().busy_timeout(Duration::from_millis(50))).await;
    let mut other = SqliteConnectOptions::new().filename(place.path()).connect().await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (sample, secrets) = (Sample::new(), SecretSample::new());
    let changes = vec![Change::put(Expect::Absent, version(), Record::Mapping(sample.mapping(0)))];
    let transaction = Transaction { changes };
    let name = secrets.name("");
    let errors = [
        store.tracking().commit(&transaction).await.unwrap_err(),
        store.credentials().create(&name, &secrets.secret("s3cret")).await.unwrap_err(),
        store.credentials().burn(&name).await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_retryable() && error.kind() == ErrorKind::Contention, "{error:?}");
        assert!(error.vendor_code().unwrap().starts_with("SQLite 5 "), "{error:?}");
    }
    // Readers are not kept out.
    assert_eq!(store.credentials().read(&name).await.unwrap(), Slot::Empty);
    held.rollback().await.unwrap();
    assert_eq!(store.tracking().commit(&transaction).await.unwrap(), WriteOutcome::Written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_leaves_the_store_whole() {
    let place = Place::new();
    let store = place.open(LocalOptions::new()).await;
    let secrets = SecretSample::new();
    let keys: Vec<_> = records().iter().map(Record::key).collect();
    for round in 0..200_u64 {
        let (tracking, credentials) = (store.tracking(), store.credentials());
        let version = version();
        let name = secrets.name(&format!("-{round}"));
        let secret = secrets.secret("s3cret");
        let work = tokio::spawn(async move {
            let changes = records().into_iter().map(|record| Change::put(Expect::Anything, version, record)).collect();
            tracking.commit(&Transaction { changes }).await.unwrap();
            credentials.create(&name, &secret).await.unwrap();
            credentials.burn(&name).await.unwrap();
        });
        tokio::time::sleep(Duration::from_micros(round * 20)).await;
        work.abort();
        let found = store.tracking().read(&keys).await.unwrap();
        let versions: Vec<_> = found.iter().map(|stored| stored.as_ref().map(|stored| stored.version)).collect();
        assert!(versions.iter().all(|version| *version == versions[0]), "{versions:?}");
    }
    assert_eq!(put(&store, &counter(), Expect::Absent).await, WriteOutcome::Written);
}

/// As on a full disk, where it can be had without one.
#[tokio::test]
async fn a_transaction_that_sqlite_has_rolled_back_by_itself_is_not_in_the_way() {
    let place = Place::new();
    let store = place.open(LocalOptions::new()).await;
    let sample = Sample::new();
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ROLLBACK, 'full'); END";
    place.editor().run(trigger.to_owned()).await;
    let record = Record::Source(sample.source(0));
    let change = Change::put(Expect::Absent, version(), record.clone());
    let transaction = Transaction { changes: vec![change] };
    for _ in 0..2 {
        let error = store.tracking().commit(&transaction).await.unwrap_err();
        assert!(error.vendor_code().is_some_and(|code| code.starts_with("SQLite ")), "{error:?}");
    }
    place.editor().run("DROP TRIGGER full".to_owned()).await;
    assert_eq!(store.tracking().commit(&transaction).await.unwrap(), WriteOutcome::Written);
    assert!(store.tracking().read(&[record.key()]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn live_secrets_are_listed_and_transactions_that_make_no_sense_refused() {
    let place = Place::new();
    let store = place.open(LocalOptions::new()).await;
    let secrets = SecretSample::new();
    for name in ["-b", "-c", "-a"] {
        store.credentials().create(&secrets.name(name), &secrets.secret(name)).await.unwrap();
    }
    store.credentials().burn(&secrets.name("-c")).await.unwrap();
    assert_eq!(store.credentials().live().await.unwrap(), [secrets.name("-a"), secrets.name("-b")]);

    let change = Change::put(Expect::Anything, version(), counter());
    let astray = Change { key: Record::Mapping(Sample::new().mapping(0)).key(), ..change.clone() };
    for changes in [vec![change.clone(), change], vec![astray]] {
        let error = store.tracking().commit(&Transaction { changes }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let page = store.tracking().list(&Query::Sources(None), None).await.unwrap();
    assert!(page.records.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn neither_debug_nor_errors_show_what_is_secret() {
    let place = Place::new();
    let key = SecretKey::generate();
    let options = LocalOptions::new().key(key.clone());
    let store = place.open(options.clone()).await;
    let shown = format!("{options:?} {store:?} {:?} {:?}", store.tracking(), store.credentials());
    assert!(!shown.contains(key.to_text().expose()) && shown.contains("redacted"), "{shown}");
}
