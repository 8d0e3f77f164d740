//! Passwords that every supported source and client takes.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use crate::Secret;

/// Oracle's limit before 23ai; about 180 bits.
pub const LENGTH: usize = 30;

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGIT: &[u8] = b"0123456789";
/// Others break JDBC URLs, Athena connectors or Oracle.
const SYMBOL: &[u8] = b"-_";

/// A new password, from a generator that is fit for cryptography: [`LENGTH`] characters out of letters, digits, `-` and `_`,
/// at least one of each class, beginning with a letter.
#[must_use]
pub fn generate() -> Secret {
    let mut rng = rand::rng();
    let mut pick = |from: &[&[u8]]| {
        let all = from.concat();
        let at = rng.random_range(0..all.len());
        all.get(at).copied().map_or('a', char::from)
    };
    let first = pick(&[LOWER, UPPER]);
    let mut rest: Vec<char> = [LOWER, UPPER, DIGIT, SYMBOL].iter().map(|class| pick(&[class])).collect();
    while rest.len() < LENGTH - 1 {
        rest.push(pick(&[LOWER, UPPER, DIGIT, SYMBOL]));
    }
    rest.shuffle(&mut rand::rng());
    Secret::new(std::iter::once(first).chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_keep_the_policy_and_differ() {
        let passwords: std::collections::BTreeSet<String> = (0..500).map(|_| generate().expose().to_owned()).collect();
        assert_eq!(passwords.len(), 500);
        for password in passwords {
            let has = |class: &[u8]| password.bytes().any(|b| class.contains(&b));
            assert_eq!(password.len(), LENGTH);
            assert!(has(LOWER) && has(UPPER) && has(DIGIT) && has(SYMBOL), "{password}");
            assert!(password.starts_with(|c: char| c.is_ascii_alphabetic()), "{password}");
            assert!(password.bytes().all(|b| b.is_ascii_alphanumeric() || SYMBOL.contains(&b)), "{password}");
        }
    }
}
