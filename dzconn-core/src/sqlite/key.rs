//! The key, and what it does to a value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use rand::Rng;
use secrecy::{ExposeSecret, SecretBox};

use crate::{Error, ErrorKind, Result, Secret};

const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;

/// The key of a [`LocalStore`](super::LocalStore): 32 random bytes, kept somewhere else than the store.
///
/// It is read (`FromStr`) from 64 hexadecimal digits, or from base64 in either alphabet, with or without padding.
///
/// ```
/// use dzconn_core::sqlite::SecretKey;
///
/// let key = SecretKey::generate();
/// assert_eq!(format!("{key:?}"), "[redacted]");
/// let text = key.to_text(); // for a password manager or a file of its own
/// assert!(text.expose().parse::<SecretKey>().is_ok());
/// ```
#[derive(Clone)]
pub struct SecretKey(Arc<SecretBox<[u8; KEY]>>);

impl SecretKey {
    /// Takes the bytes over. They must be random: a pass phrase is no key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Arc::new(SecretBox::init_with_mut(|bytes: &mut [u8; KEY]| rand::rng().fill_bytes(bytes))))
    }

    /// The key as 64 hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
        let mut text = String::with_capacity(2 * KEY);
        for byte in self.0.expose_secret() {
            text.extend([digit(byte >> 4), digit(byte & 0xf)]);
        }
        Secret::new(text)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl FromStr for SecretKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let bits = if text.len() == 2 * KEY { 4 } else { 6 };
        let text = if bits == 6 { text.trim_end_matches('=') } else { text };
        // 43 characters of base64 hold 258 bits; the two at the end must be zero.
        let fits = text.len() == (8 * KEY).div_ceil(bits);
        fits.then(|| decode(text, bits)).flatten().map(|bytes| Self(Arc::new(bytes))).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "the key of the store is not 32 bytes in hexadecimal or base64")
                .advise("make one with: head -c 32 /dev/urandom | base64")
        })
    }
}

fn decode(text: &str, bits: usize) -> Option<SecretBox<[u8; KEY]>> {
    let mut failed = false;
    let bytes = SecretBox::init_with_mut(|bytes: &mut [u8; KEY]| {
        let mut out = bytes.iter_mut();
        let (mut held, mut count) = (0_u32, 0);
        for digit in text.bytes().map(|byte| if bits == 4 { hex(byte) } else { base64(byte) }) {
            let Some(digit) = digit else { return failed = true };
            held = held << bits | u32::from(digit);
            count += bits;
            if count >= 8 {
                count -= 8;
                let Some(byte) = out.next() else { return failed = true };
                *byte = u8::try_from(held >> count & 0xff).unwrap_or_default();
                held &= (1 << count) - 1;
            }
        }
        failed = held != 0 || out.next().is_some();
    });
    (!failed).then_some(bytes)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

const fn base64(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Seals values. What it makes is the nonce and then the encrypted value with its tag.
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(super) fn new(key: &SecretKey) -> Self {
        Self(XChaCha20Poly1305::new(&Key::from(*key.0.expose_secret())))
    }

    /// Encrypts a value for the place that `bound` names.
    pub(super) fn seal(&self, value: &Secret, bound: &str) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        // With room for the tag, so that no copy of the plain text is left behind where the buffer was.
        let mut sealed = Vec::with_capacity(value.expose().len() + TAG);
        sealed.extend_from_slice(value.expose().as_bytes());
        self.0
            .encrypt_in_place(&XNonce::from(nonce), bound.as_bytes(), &mut sealed)
            .map_err(|_| Error::new(ErrorKind::LimitReached, "the value is too long to be encrypted"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The value, if it was sealed with this key for this place.
    pub(super) fn open(&self, sealed: &[u8], bound: &str) -> Option<Secret> {
        let (nonce, value) = sealed.split_first_chunk::<NONCE>()?;
        let mut value = value.to_vec();
        self.0.decrypt_in_place(&XNonce::from(*nonce), bound.as_bytes(), &mut value).ok()?;
        // Of what is no text, nothing is shown, and no secret is made.
        String::from_utf8(value).ok().map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<[u8; KEY]> {
        text.parse::<SecretKey>().ok().map(|key| *key.0.expose_secret())
    }

    #[test]
    fn a_key_is_read_from_hexadecimal_and_base64() {
        let wanted: [u8; KEY] = std::array::from_fn(|i| u8::try_from(i * 8).unwrap_or_default() ^ 0xff);
        let hexadecimal = "fff7efe7dfd7cfc7bfb7afa79f978f877f776f675f574f473f372f271f170f07";
        for text in [
            hexadecimal,
            &hexadecimal.to_uppercase(),
            "//fv59/Xz8e/t6+nn5ePh393b2dfV09HPzcvJx8XDwc=",
            "//fv59/Xz8e/t6+nn5ePh393b2dfV09HPzcvJx8XDwc\n",
            "__fv59_Xz8e_t6-nn5ePh393b2dfV09HPzcvJx8XDwc",
        ] {
            assert_eq!(bytes(text), Some(wanted), "{text}");
        }
        assert_eq!(SecretKey::from_bytes(wanted).to_text().expose(), hexadecimal);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let long = "0".repeat(66);
        for text in [
            "",
            "hunter2",
            "ghf7efe7dfd7cfc7bfb7afa79f978f877f776f675f574f473f372f271f170f07",
            "//fv59/Xz8e/t6+nn5ePh393b2dfV09HPzcvJx8XDwd=", // bits beyond the last byte
            "//fv59/Xz8e/t6+nn5ePh393b2dfV09HPzcvJx8XDw==", // 31 bytes
            "//fv59/Xz8e/t6+nn5ePh393b2dfV09HPz vJx8XDwc=",
            "€€€€€€€€€€€€€€",
            &long,
        ] {
            let error = text.parse::<SecretKey>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            assert!(text.is_empty() || !format!("{error} {error:?}").contains(text));
        }
    }

    #[test]
    fn a_value_opens_with_its_key_at_its_place_only() {
        let (one, other) = (Cipher::new(&SecretKey::generate()), Cipher::new(&SecretKey::generate()));
        for text in ["", "s3cret", "pässwörd 🔑"] {
            let value = Secret::new(text.to_owned());
            let sealed = one.seal(&value, "here").unwrap();
            assert_eq!(one.open(&sealed, "here"), Some(value.clone()));
            assert_eq!(one.open(&sealed, "there"), None);
            assert_eq!(other.open(&sealed, "here"), None);
            assert_ne!(one.seal(&value, "here").unwrap(), sealed, "a nonce is used once");
            for at in 0..sealed.len() {
                let mut altered = sealed.clone();
                altered[at] ^= 1;
                assert_eq!(one.open(&altered, "here"), None);
            }
            assert_eq!(one.open(&sealed[..10], "here"), None);
        }
    }
}
