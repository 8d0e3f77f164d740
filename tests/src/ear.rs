//! Everything that is logged, to be searched for what must not be said.

use std::io::{Result, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// All that was said, of all clones.
#[derive(Clone, Debug, Default)]
pub struct Ear(Arc<Mutex<Vec<u8>>>);

impl Ear {
    /// Hears everything from now on, down to TRACE.
    ///
    /// # Panics
    /// If somebody else listens already.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test that hears nothing must not go on")]
    pub fn open() -> Self {
        let ear = Self::default();
        let hears =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(ear.clone());
        tracing::subscriber::set_global_default(hears.finish()).expect("nobody else listens");
        ear
    }

    /// Forgets what was said so far.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether this was said.
    #[must_use]
    pub fn heard(&self, text: &str) -> bool {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Ear {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
