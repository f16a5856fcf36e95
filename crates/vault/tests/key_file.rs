//! What a key file may hold, and what it is told when it does not.

use mindmeasure_vault::{KeyFileError, KeyRing, MAX_KEYS};

const A: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const B: &str = "FF0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn parse(text: &str) -> Result<KeyRing, KeyFileError> {
    KeyRing::parse(text.as_bytes())
}

#[test]
fn the_last_key_is_the_active_one_and_all_are_found() {
    let ring = parse(&format!("# ours\n\n2026-01 {A}\n  2026-07\t {B} \r\n")).unwrap();
    assert_eq!(ring.active().0, "2026-07");
    assert_eq!(ring.active().1.bytes()[..2], [0xff, 1]);
    assert_eq!(ring.find("2026-01").unwrap().bytes()[..2], [0, 1]);
    assert!(ring.find("2026-02").is_none());
}

#[test]
fn what_is_wrong_is_told_by_line() {
    let cases = [
        (String::new(), KeyFileError::NoKey),
        ("# none\n".into(), KeyFileError::NoKey),
        (format!("a {A}"), KeyFileError::Unfinished),
        (format!("a {A}\nb {}\n", &B[..62]), KeyFileError::Line(2)),
        (format!("a {A}00\n"), KeyFileError::Line(1)),
        (format!("a {}zz\n", &A[..62]), KeyFileError::Line(1)),
        (format!("a {}é\n", &A[..62]), KeyFileError::Line(1)),
        (format!("{A}\n"), KeyFileError::Line(1)),
        (format!("a=b {A}\n"), KeyFileError::Id(1)),
        (format!("{} {A}\n", "x".repeat(65)), KeyFileError::Id(1)),
        (format!("a {A}\na {B}\n"), KeyFileError::Repeated(2)),
        (format!("a {A}\nb {A}\n"), KeyFileError::Repeated(2)),
        (format!("a {}\n", "00".repeat(32)), KeyFileError::Weak(1)),
    ];
    for (text, wanted) in cases {
        assert_eq!(parse(&text).unwrap_err(), wanted, "{text}");
    }
    assert_eq!(
        KeyRing::parse(&[0xff, b'\n']).unwrap_err(),
        KeyFileError::NotText
    );
}

#[test]
fn the_number_of_keys_is_bounded() {
    let lines = |n: usize| {
        (0..n)
            .map(|i| format!("{i} {i:064x}\n").replace("0000000000 ", " "))
            .skip(1)
            .collect::<String>()
    };
    assert!(parse(&lines(MAX_KEYS + 1)).is_ok());
    assert_eq!(
        parse(&lines(MAX_KEYS + 2)).unwrap_err(),
        KeyFileError::TooMany
    );
}

#[test]
fn an_error_never_shows_what_stands_in_the_file() {
    let error = parse("secret-looking text here\n").unwrap_err();
    assert!(!error.to_string().contains("secret"));
}
