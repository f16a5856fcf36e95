//! The key file: one key-encryption key a line, the last one active.
//!
//! ```text
//! # comment
//! 2026-01 0f1e…   (64 hexadecimal digits)
//! 2026-07 8a7b…
//! ```

use std::fmt;

use zeroize::Zeroizing;

use crate::key::KEY_BYTES;
use crate::Key;

pub const MAX_KEYS: usize = 1000;
const MAX_ID: usize = 64;

/// The keys of a key file.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<(String, Key)>,
}

/// What is wrong, by line; never what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFileError {
    NotText,
    NoKey,
    TooMany,
    /// The last line has no end: somebody is writing it.
    Unfinished,
    /// Not `id`, white space, 64 hexadecimal digits.
    Line(usize),
    /// An id of 1 to 64 letters, digits, `.`, `_`, `-` is wanted.
    Id(usize),
    /// An id or a key that stands in an earlier line already.
    Repeated(usize),
    /// All bytes of the key are the same: it was not drawn at random.
    Weak(usize),
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFileError::NotText => f.write_str("it is not text"),
            KeyFileError::NoKey => f.write_str("it holds no key"),
            KeyFileError::TooMany => write!(f, "it holds more than {MAX_KEYS} keys"),
            KeyFileError::Unfinished => f.write_str("its last line has no end"),
            KeyFileError::Line(n) => write!(f, "line {n} is not an id and 64 hexadecimal digits"),
            KeyFileError::Id(n) => {
                write!(
                    f,
                    "line {n}: an id has 1 to {MAX_ID} letters, digits, '.', '_', '-'"
                )
            }
            KeyFileError::Repeated(n) => write!(f, "line {n} repeats an id or a key"),
            KeyFileError::Weak(n) => write!(f, "line {n}: the key is not random"),
        }
    }
}

impl KeyRing {
    /// # Errors
    /// [`KeyFileError`]
    pub fn parse(file: &[u8]) -> Result<KeyRing, KeyFileError> {
        let text = std::str::from_utf8(file).map_err(|_| KeyFileError::NotText)?;
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(KeyFileError::Unfinished);
        }
        let mut ring = KeyRing { keys: Vec::new() };
        for (number, line) in text
            .lines()
            .enumerate()
            .map(|(i, line)| (i + 1, line.trim()))
        {
            if !line.is_empty() && !line.starts_with('#') {
                ring.add(line, number)?;
            }
        }
        if ring.keys.is_empty() {
            return Err(KeyFileError::NoKey);
        }
        Ok(ring)
    }

    fn add(&mut self, line: &str, number: usize) -> Result<(), KeyFileError> {
        let (id, digits) = line
            .split_once(char::is_whitespace)
            .ok_or(KeyFileError::Line(number))?;
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if id.len() > MAX_ID || !id.chars().all(known) {
            return Err(KeyFileError::Id(number));
        }
        let key = from_hex(digits.trim_start()).ok_or(KeyFileError::Line(number))?;
        if key.bytes().iter().all(|byte| *byte == key.bytes()[0]) {
            return Err(KeyFileError::Weak(number));
        }
        if self
            .keys
            .iter()
            .any(|(other, with)| other == id || *with == key)
        {
            return Err(KeyFileError::Repeated(number));
        }
        if self.keys.len() == MAX_KEYS {
            return Err(KeyFileError::TooMany);
        }
        self.keys.push((id.to_owned(), key));
        Ok(())
    }

    /// The key that new data keys are wrapped with: the last of the file.
    pub fn active(&self) -> (&str, &Key) {
        // parse() lets no empty ring through.
        let (id, key) = &self.keys[self.keys.len() - 1];
        (id, key)
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    pub fn find(&self, id: &str) -> Option<&Key> {
        self.keys
            .iter()
            .find_map(|(known, key)| (known == id).then_some(key))
    }
}

fn from_hex(digits: &str) -> Option<Key> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    if digits.len() != 2 * KEY_BYTES || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(Key::take(&mut bytes))
}
