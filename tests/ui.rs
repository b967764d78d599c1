//! Wrong use does not compile, and says what to write instead.

#[path = "support/promise.rs"]
mod promise;

#[test]
fn misuse_is_refused() {
    let cases = trybuild::TestCases::new();
    const FAULTS: [&str; 10] = [
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
    ];
    for fault in FAULTS {
        cases.compile_fail(format!("tests/ui/{fault}/*.rs"));
    }
    // Compiled, and compared, when it is dropped.
    drop(cases);
    promise::Promise::kept("misuse", FAULTS.len());
}
