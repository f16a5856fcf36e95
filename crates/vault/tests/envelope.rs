//! Envelopes: made by libsodium they open here, and nothing that was changed or moved opens.

use mindmeasure_vault::{unwrap, wrap, Envelope, Key, KeyId, Malformed, NotAuthentic, Place};
use proptest::prelude::*;

const KID: &str = "q83vASNF";
const NOTES: &str =
    "mm_enc:1:q83vASNF:ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7:77HRe-l7YEhXJlkqh7WmsrDHvrorKkiPYyi1oE4g";
const EMPTY: &str = "mm_enc:1:q83vASNF:ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7:MVWAhXVyvlcytIrcYZY5jg";
const MOOD: &str = r#"{"mm_enc": 1, "kid": "q83vASNF", "n": "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7", "c": "xubcfOsp5bGbaszDe1tlbFQKW-8v1yMPSPbI3qYNhFFlWJE"}"#;

const ROW: [u8; 16] = [
    0x5e, 0x55, 0x10, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1,
];
const USER: [u8; 16] = [
    0xa1, 0x1c, 0xe0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1,
];

fn key() -> Key {
    Key::from_slice(&(1..=32).collect::<Vec<u8>>()).unwrap()
}
fn place(column: &str) -> Place<'_> {
    Place {
        table: "assessment_sessions",
        column,
        row: ROW,
        user: USER,
    }
}
fn nonce() -> [u8; 24] {
    std::array::from_fn(|i| 100 + i as u8)
}

#[test]
fn a_text_that_libsodium_sealed_opens_and_is_sealed_to_the_same_characters() {
    let envelope = Envelope::from_text(NOTES).unwrap().unwrap();
    let opened = place("reflection_notes").open(&key(), &envelope).unwrap();
    assert_eq!(std::str::from_utf8(&opened).unwrap(), "Ruhig – 🙂");
    let sealed =
        place("reflection_notes").seal(&key(), KeyId::parse(KID).unwrap(), nonce(), &opened);
    assert_eq!(sealed.to_text(), NOTES);
}

#[test]
fn a_document_that_libsodium_sealed_is_sealed_to_the_same_json() {
    let sealed = place("mood_before").seal(
        &key(),
        KeyId::parse(KID).unwrap(),
        nonce(),
        br#"{"energy_level": 3}"#,
    );
    let [kid, n, c] = sealed.to_fields();
    let json = format!(r#"{{"mm_enc": 1, "kid": "{kid}", "n": "{n}", "c": "{c}"}}"#);
    assert_eq!(json, MOOD);
}

#[test]
fn an_empty_text_is_sealed_too() {
    let envelope = Envelope::from_text(EMPTY).unwrap().unwrap();
    assert!(place("reflection_notes")
        .open(&key(), &envelope)
        .unwrap()
        .is_empty());
}

#[test]
fn a_data_key_that_libsodium_wrapped_is_unwrapped() {
    let with = Key::from_slice(&(201..=232).collect::<Vec<u8>>()).unwrap();
    let wrapped = wrap(
        &with,
        "2026-01",
        USER,
        KeyId::parse(KID).unwrap(),
        nonce(),
        &key(),
    );
    let hex: String = wrapped.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "6465666768696a6b6c6d6e6f707172737475767778797a7b4c7acf323635b60f31cb13c4624d29046b56ecef8fa7f117da1ad64803ead3575d89525180906bb01f0651a190cab689");
    let kid = KeyId::parse(KID).unwrap();
    assert_eq!(unwrap(&with, "2026-01", USER, kid, &wrapped), Ok(key()));
    assert_eq!(
        unwrap(&with, "2026-02", USER, kid, &wrapped),
        Err(NotAuthentic)
    );
    assert_eq!(
        unwrap(&with, "2026-01", ROW, kid, &wrapped),
        Err(NotAuthentic)
    );
    assert_eq!(
        unwrap(&key(), "2026-01", USER, kid, &wrapped),
        Err(NotAuthentic)
    );
    assert_eq!(
        unwrap(&with, "2026-01", USER, kid, &wrapped[..23]),
        Err(NotAuthentic)
    );
    for bit in 0..8 * wrapped.len() {
        let mut changed = wrapped.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            unwrap(&with, "2026-01", USER, kid, &changed),
            Err(NotAuthentic)
        );
    }
}

/// Whether anything of a text is taken for the value that NOTES holds, or for open text.
fn accepted(text: &str) -> bool {
    match Envelope::from_text(text) {
        Ok(None) => true,
        Ok(Some(envelope)) => {
            envelope.kid == KeyId::parse(KID).unwrap()
                && place("reflection_notes").open(&key(), &envelope).is_ok()
        }
        Err(Malformed) => false,
    }
}

#[test]
fn no_single_bit_of_a_text_can_change() {
    assert!(accepted(NOTES));
    for bit in 0..8 * NOTES.len() {
        let mut bytes = NOTES.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // What is no UTF-8 never gets as far as this.
        if let Ok(text) = std::str::from_utf8(&bytes) {
            assert!(!accepted(text), "bit {bit}: {text}");
        }
    }
}

#[test]
fn nothing_can_be_cut_off_or_added() {
    for length in 1..NOTES.len() {
        assert!(!accepted(&NOTES[..length]) || length < "mm_enc:".len());
    }
    for more in ["A", "=", ":", ":A", "\n", " "] {
        assert!(!accepted(&format!("{NOTES}{more}")));
    }
}

#[test]
fn a_value_opens_in_its_place_only() {
    let envelope = Envelope::from_text(NOTES).unwrap().unwrap();
    let right = place("reflection_notes");
    let wrong = [
        Place {
            table: "session_insights",
            ..right
        },
        Place {
            column: "mood_before",
            ..right
        },
        Place { row: USER, ..right },
        Place { user: ROW, ..right },
        // Parts that run into each other are still told apart.
        Place {
            table: "assessment_sessionsr",
            column: "eflection_notes",
            ..right
        },
    ];
    for place in wrong {
        assert_eq!(place.open(&key(), &envelope).unwrap_err(), NotAuthentic);
    }
    let other = KeyId::parse("AAAAAAAA").unwrap();
    let renamed = Envelope {
        kid: other,
        ..envelope
    };
    assert_eq!(right.open(&key(), &renamed).unwrap_err(), NotAuthentic);
}

#[test]
fn open_text_is_open_text() {
    for text in [
        "",
        "a",
        "mm_enc",
        "MM_ENC:1:a:b:c",
        "at 10:15:00, then: nothing",
        "a:b:c:d:e",
    ] {
        assert_eq!(Envelope::from_text(text), Ok(None), "{text}");
    }
    for text in [
        "mm_enc:",
        "mm_enc:1",
        "mm_enc:2:q83vASNF:ZGVm:AAAA",
        "mm_enc: see there",
    ] {
        assert_eq!(Envelope::from_text(text), Err(Malformed), "{text}");
    }
}

#[test]
fn a_key_is_not_printed() {
    assert_eq!(format!("{:?}", key()), "Key(..)");
}

proptest! {
    #[test]
    fn what_is_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..2000), nonce: [u8; 24], id: [u8; 6]) {
        let kid = KeyId::from_random(id);
        let sealed = place("mood_before").seal(&key(), kid, nonce, &plain);
        let read = Envelope::from_text(&sealed.to_text()).unwrap().unwrap();
        prop_assert_eq!(&read, &sealed);
        let opened = place("mood_before").open(&key(), &read).unwrap();
        prop_assert_eq!(opened.as_slice(), plain.as_slice());
    }

    #[test]
    fn anything_may_be_asked_whether_it_is_an_envelope(text in "(mm_enc)?(:|1|[ -~]{0,40}){0,6}") {
        let _ = Envelope::from_text(&text);
    }
}
