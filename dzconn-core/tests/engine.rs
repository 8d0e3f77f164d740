//! The in-memory engine keeps every promise, and the suite notices engines that do not.
#![cfg(feature = "testkit")]

mod conformance {
    use dzconn_core::testkit::engine::MemoryFixture;

    async fn fixture() -> MemoryFixture {
        MemoryFixture::new()
    }

    dzconn_core::engine_conformance!(fixture);
}

/// The same, where the admin may not end sessions.
mod conformance_without_ending_sessions {
    use dzconn_core::testkit::engine::MemoryFixture;

    async fn fixture() -> MemoryFixture {
        MemoryFixture::new().without_ending_sessions()
    }

    dzconn_core::engine_conformance!(fixture);
}
