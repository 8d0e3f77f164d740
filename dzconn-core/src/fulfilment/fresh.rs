//! Randomness from the operating system, and the clock.

use crate::model::{GenerationId, Version};
use crate::password;
use crate::workflow::Fresh;
use crate::{Secret, Timestamp};

/// What real runs use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct System;

impl Fresh for System {
    fn version(&mut self) -> Version {
        Version::from_bits(bits())
    }

    fn generation(&mut self) -> GenerationId {
        GenerationId::from_bits(bits())
    }

    fn password(&mut self) -> Secret {
        password::generate()
    }

    fn now(&mut self) -> Timestamp {
        Timestamp::now()
    }
}

#[cfg(not(feature = "testkit"))]
fn bits() -> u128 {
    rand::random()
}

#[cfg(feature = "testkit")]
use crate::testkit::chance::bits;
