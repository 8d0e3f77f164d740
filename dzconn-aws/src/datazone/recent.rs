//! Answers that are remembered for a while.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many are remembered. A process that meets more begins anew, which costs calls and no correctness.
const LIMIT: usize = 10_000;

/// Answers by question, each believed for a while.
pub(super) struct Recent<K, V> {
    answers: Mutex<HashMap<K, (Instant, V)>>,
    believed: Duration,
}

impl<K, V> fmt::Debug for Recent<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("believed", &self.believed).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(super) fn new(believed: Duration) -> Self {
        Self { answers: Mutex::default(), believed }
    }

    pub(super) fn get(&self, question: &K) -> Option<V> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, answer) = answers.get(question)?;
        (since.elapsed() < self.believed).then(|| answer.clone())
    }

    pub(super) fn put(&self, question: K, answer: V) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= LIMIT {
            answers.clear();
        }
        answers.insert(question, (Instant::now(), answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_believed_for_a_while_and_their_number_is_bounded() {
        let never = Recent::new(Duration::ZERO);
        never.put(1, "one");
        assert_eq!(never.get(&1), None);
        let ever = Recent::new(Duration::MAX);
        (0..=LIMIT).for_each(|number| ever.put(number, number));
        assert_eq!((ever.get(&0), ever.get(&LIMIT)), (None, Some(LIMIT)));
    }
}
