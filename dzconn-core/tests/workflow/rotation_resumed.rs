//! A rotation that is gone on with, by itself or by another run.

use std::pin::pin;

use dzconn_core::engine::LockKey;
use dzconn_core::fulfilment::Rotation;
use dzconn_core::memory::MemoryDatabase;
use dzconn_core::model::{Credentials, TurnStage};
use dzconn_core::testkit::faults::When;
use dzconn_core::{Changed, ErrorKind};

use crate::faults::{poll_times, until};
use crate::rotation::{generation, held, rotate, set_up};

/// Who loses its lock to another that finishes the rotation has rotated, and begins no further one: whether it had begun it itself,
/// or had found it begun, before or after its value was made the current one.
#[tokio::test]
async fn a_rotation_that_another_has_finished() {
    for (begun, at) in [
        (None, "secret.promote"),
        (Some(When::Before), "secret.promote"),
        // The first commit is the swap.
        (Some(When::After), "tracking.commit"),
    ] {
        let world = set_up(&["employees"], 0).await;
        if let Some(when) = begun {
            world.spy.fail_at("secret.promote", when, ErrorKind::AdminDenied);
            rotate(&world).await.unwrap_err();
            assert_eq!(generation(&world).stage(), Some(TurnStage::Ready));
        }
        let mut rotating = pin!(rotate(&world));
        until(&world, rotating.as_mut(), &[at]);
        let (key, elsewhere) = (world.subscription("employees").key(), world.through(world.portal.clone()));
        world.engine.break_lock(&LockKey::new(&key));
        let other = elsewhere.rotate(&key.connection, &key.environment).await.unwrap();
        assert!(matches!(other, Rotation::Rotated(_)), "{begun:?}: {other:?}");
        let after = (held(&world), generation(&world));

        assert_eq!(rotating.await.unwrap(), other, "{begun:?}");
        assert_eq!((held(&world), generation(&world)), after, "{begun:?}");
    }
}

/// The user whose new credentials were still to be delivered is gone, and perhaps there is another by now.
#[tokio::test]
async fn a_rotation_whose_user_is_dropped_meanwhile() {
    for again in [false, true] {
        let world = set_up(&["employees"], 0).await;
        let mut rotating = pin!(rotate(&world));
        until(&world, rotating.as_mut(), &["secret.promote", "source.unlock", "secret.replace"]);
        world.revoke(&world.subscription("employees")).await;
        if again {
            world.grant(&world.subscription("employees")).await;
        }
        assert_eq!(rotating.await.unwrap(), Rotation::Superseded, "granted again: {again}");
        world.revoke(&world.subscription("employees")).await;
        world.assert_nothing_left(&format!("granted again: {again}"));
        assert_eq!(rotate(&world).await.unwrap(), Rotation::Nothing);
    }
}

/// Also who has only gone on with a rotation says that it is not finished.
#[tokio::test]
async fn a_rotation_that_fails_once_more_is_still_unfinished() {
    let world = set_up(&["employees"], 0).await;
    for attempt in ["begun", "gone on with"] {
        world.spy.fail_at("source.create_user", When::Before, ErrorKind::AdminDenied);
        let error = rotate(&world).await.unwrap_err();
        assert_eq!((error.kind(), error.left()), (ErrorKind::AdminDenied, Changed::Unfinished), "{attempt}: {error}");
    }
}

/// Some sources keep a history of passwords: who goes on with a rotation cannot set again what was set before.
#[tokio::test]
async fn a_source_that_takes_no_password_twice() {
    for rotations in [0, 1, 2] {
        for polls in 1.. {
            let world = set_up(&["employees"], rotations).await;
            world.engine.with(MemoryDatabase::forbid_password_reuse);
            if poll_times(rotate(&world), polls) {
                break;
            }
            let context = format!("rotated {rotations} times, then cut after {polls} polls");
            assert!(matches!(rotate(&world).await, Ok(Rotation::Rotated(_))), "{context}");
            assert_eq!((world.readable(), generation(&world).turn), (vec!["employees"], None), "{context}");
        }
    }
}

/// Where the password is refused for what it is, that is what is said.
#[tokio::test]
async fn a_source_that_refuses_the_password_when_the_rotation_is_ready() {
    for refused in ["source.create_user", "source.set_password"] {
        let world = set_up(&["employees"], 0).await;
        world.spy.fail_at("secret.promote", When::Before, ErrorKind::AdminDenied);
        rotate(&world).await.unwrap_err();
        let spare = generation(&world).spare.unwrap();
        world.engine.with(|database| match refused {
            "source.create_user" => database.remove_user(&spare),
            _ => database.set_password(&Credentials { user: spare, ..held(&world) }).unwrap(),
        });
        world.spy.fail_at(refused, When::Before, ErrorKind::PasswordRejected);
        let error = rotate(&world).await.unwrap_err();
        assert_eq!((error.kind(), error.left()), (ErrorKind::PasswordRejected, Changed::Unfinished), "{error}");
        assert!(error.to_string().contains("injected"), "the source's own words: {error}");
        let calls = world.spy.calls();
        assert!(calls.contains(&"source.unlock"), "{calls:?}");
        assert!(matches!(rotate(&world).await, Ok(Rotation::Rotated(_))), "{refused}");
    }
}
