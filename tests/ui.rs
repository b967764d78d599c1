//! Wrong use does not compile, and says what to write instead.

#[test]
fn misuse_is_refused() {
    let cases = trybuild::TestCases::new();
    for fault in [
        "conflict",
        "duplicate",
        "forgotten",
        "index",
        "nothing-sealed",
        "query",
        "reserved-name",
        "types",
        "unknown-attribute",
        "unsupported",
    ] {
        cases.compile_fail(format!("tests/ui/{fault}/*.rs"));
    }
}
