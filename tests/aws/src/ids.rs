//! Names that nobody else has.

use std::fmt::Write as _;

use rand::RngExt as _;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const CAPITALS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A random UUID.
pub(crate) fn uuid() -> String {
    let bits = rand::rng().random::<u128>();
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let mut text = String::with_capacity(36);
    for (index, digit) in format!("{bits:032x}").chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        let _ = text.write_char(digit);
    }
    text
}

/// Random letters and digits.
pub(crate) fn letters(count: usize) -> String {
    from(LETTERS, count)
}

/// What stands behind the prefix of an access key or of a role's unique id.
pub(crate) fn capitals(count: usize) -> String {
    from(CAPITALS, count)
}

fn from(letters: &[u8], count: usize) -> String {
    let mut rng = rand::rng();
    (0..count).filter_map(|_| letters.get(rng.random_range(0..letters.len()))).map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_looks_like_one() {
        let id = super::uuid();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        assert_ne!(id, super::uuid());
    }
}
