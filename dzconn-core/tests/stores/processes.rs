//! Several processes on one file. The others are this very test, started again with the file's path in [`CHILD`].

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dzconn_core::sqlite::{LocalOptions, LocalStore};
use dzconn_core::store::{Change, CredentialStore, Expect, Record, TrackingStore, Transaction, WriteOutcome};
use dzconn_core::testkit::credentials::SecretSample;
use dzconn_core::testkit::tracking::version;

use crate::place::{Place, counter, put, records};

/// Set in the processes that a test starts.
const CHILD: &str = "DZCONN_TEST_STORE";
const EACH: u64 = 100;

/// Adds one to the counter, so many times, by compare-and-set.
async fn count(store: LocalStore) {
    let tracking = store.tracking();
    let mut left = EACH;
    while left > 0 {
        let stored = tracking.read(&[counter().key()]).await.unwrap().remove(0).unwrap();
        let Record::Source(mut record) = stored.record.clone() else { panic!("{stored:?}") };
        record.settled += 1;
        let ours = version();
        let changes = vec![Change::put(stored.expect(), ours, Record::Source(record))];
        if tracking.commit(&Transaction { changes }).await.unwrap() == WriteOutcome::Written {
            left -= 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_lose_no_write() {
    if let Ok(path) = std::env::var(CHILD) {
        let store = LocalStore::open(path, LocalOptions::new()).await.unwrap();
        tokio::join!(count(store.clone()), count(store));
        return;
    }
    let place = Place::new();
    let start = || -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::two_processes_lose_no_write"])
            .env(CHILD, place.path())
            .spawn()
            .unwrap()
    };
    let store = place.open(LocalOptions::new()).await;
    put(&store, &counter(), Expect::Absent).await;
    let children = [start(), start()];
    count(store.clone()).await;
    for mut child in children {
        assert!(tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap().success());
    }
    let stored = store.tracking().read(&[counter().key()]).await.unwrap().remove(0).unwrap();
    let Record::Source(record) = stored.record else { panic!("{stored:?}") };
    assert_eq!(record.settled, 5 * EACH);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_make_the_same_store_agree() {
    if let Ok(path) = std::env::var(CHILD) {
        let store = LocalStore::open(path, LocalOptions::new()).await.unwrap();
        let secrets = SecretSample::new();
        store.credentials().create(&secrets.name(""), &secrets.secret("one")).await.unwrap();
        // Whoever comes first makes it; the others' record is what they expected to be absent.
        let outcome = put(&store, &counter(), Expect::Absent).await;
        println!("made the record: {outcome:?}");
        return;
    }
    for _ in 0..5 {
        let place = Place::new();
        let children: Vec<_> = (0..4)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "processes::processes_that_make_the_same_store_agree", "--nocapture"])
                    .env(CHILD, place.path())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut winners = 0;
        for child in children {
            let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && text.contains("made the record"), "{text}");
            winners += usize::from(text.contains("made the record: Written"));
        }
        assert_eq!(winners, 1);
    }
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_whole_transactions() {
    if let Ok(path) = std::env::var(CHILD) {
        let store = LocalStore::open(path, LocalOptions::new()).await.unwrap();
        loop {
            let version = version();
            let changes = records().into_iter().map(|record| Change::put(Expect::Anything, version, record)).collect();
            store.tracking().commit(&Transaction { changes }).await.unwrap();
        }
    }
    let place = Place::new();
    let store = place.open(LocalOptions::new()).await;
    let keys: Vec<_> = records().iter().map(Record::key).collect();
    let mut last = None;
    for _ in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::a_process_that_is_killed_leaves_whole_transactions"])
            .env(CHILD, place.path())
            .spawn()
            .unwrap();
        // Until it writes, and then into the middle of its work.
        let before = last;
        while last == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
            last = store.tracking().read(&keys[..1]).await.unwrap().remove(0).and_then(|stored| stored.version);
        }
        tokio::time::sleep(Duration::from_millis(7)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let found = store.tracking().read(&keys).await.unwrap();
        last = found[0].as_ref().unwrap().version;
        assert!(found.iter().all(|stored| stored.as_ref().unwrap().version == last), "{found:#?}");
    }
}
