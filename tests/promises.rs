//! Every promise of SECURITY.md, tried: one table of promise, tries and violations.
//!
//! The tests of `tests/promises/` run here, and the table of them is printed at the end. Some promises are held by
//! test programs of their own; `tests/run` prints the table of all, with `cargo test --test promises -- table`.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

#[path = "support/attack.rs"]
mod attack;
#[path = "support/custody.rs"]
mod custody;
#[path = "support/promise.rs"]
mod promise;
#[path = "promises/security_md.rs"]
mod security_md;

use promise::{Tally, counted};

/// A test's name, and what it runs.
type Test = (&'static str, fn(&Tally));

/// A promise, word for word as in SECURITY.md, and its tests.
pub struct Row {
    name: &'static str,
    sentence: &'static str,
    /// The functions of `tests/promises/<name>.rs`.
    tests: &'static [Test],
    /// The functions in other files: those call `Promise::new(name)`.
    elsewhere: &'static [(&'static str, &'static [&'static str])],
}

/// `name "sentence" [functions of tests/promises/name.rs] { "other file": [its functions] }`
macro_rules! promises {
    ($($name:ident $sentence:literal [$($test:ident),* $(,)?] {$($file:literal: [$($function:ident),* $(,)?]),* $(,)?})*) => {
        const PROMISES: &[Row] = &[$(Row {
            name: stringify!($name),
            sentence: $sentence,
            tests: &[$((stringify!($test), |tally| block_on($name::$test(tally)))),*],
            elsewhere: &[$(($file, &[$(stringify!($function)),*])),*],
        }),*];
    };
}

#[path = "promises/changed_values.rs"]
mod changed_values;
#[path = "promises/confused_places.rs"]
mod confused_places;
#[path = "promises/deleted_values.rs"]
mod deleted_values;
#[path = "promises/downgraded_values.rs"]
mod downgraded_values;
#[path = "promises/index_tokens.rs"]
mod index_tokens;
#[path = "promises/moved_values.rs"]
mod moved_values;
#[path = "promises/older_states.rs"]
mod older_states;
#[path = "promises/one_public_error.rs"]
mod one_public_error;
#[path = "promises/padded_lengths.rs"]
mod padded_lengths;
#[path = "promises/two_keys.rs"]
mod two_keys;
#[path = "promises/wrapped_keys.rs"]
mod wrapped_keys;

promises! {
    known_answers "The published test vectors are matched, and what they say is to be refused is refused"
        [] {
            "src/bytes/aead/known_answers.rs":
                [rfc_8439, xchacha_draft, wycheproof_chacha20_poly1305, wycheproof_xchacha20_poly1305],
            "src/keys/known_answers.rs":
                [rfc_5869, rfc_4231, wycheproof_hkdf_sha256, wycheproof_hmac_sha256],
            "src/custody/known_answers.rs": [wycheproof_ed25519],
        }
    moved_values "A sealed value opens at its own place only"
        [values_are_swapped, elements_and_keys_are_moved, documents_are_copied, scopes_are_exchanged,
         realms_are_exchanged, types_are_exchanged] {}
    confused_places "Places that naive joining, case folding or normalising would confuse are told apart"
        [joined_names_are_swapped, a_position_is_no_key, joined_paths_are_swapped] {}
    changed_values "A sealed value with a changed bit, another length or another key id does not open"
        [every_bit_is_flipped, every_length_is_tried, bytes_are_scrambled, another_key_is_named] {}
    downgraded_values "Nothing but an envelope of the known version is taken where a sealed value belongs"
        [plaintext_is_put_there, other_bytes_are_put_there, another_version_is_named] {}
    deleted_values "A deleted sensitive field is told as missing, unless its type allows absence"
        [fields_are_deleted] {}
    older_states "An older state, or a mixture of states, gives nothing but what was sealed at that very place"
        [states_are_mixed, an_older_state_is_put_back] {}
    two_keys "A ciphertext opens under one key at most, even one that was made to open under two"
        [a_ciphertext_for_two_keys, a_wrong_key_under_the_right_id] {}
    wrapped_keys "Whoever writes the stored keys plants none, and has no root called that is not listed"
        [every_bit_and_length_of_a_wrap, wraps_are_substituted, rings_are_substituted] {}
    one_public_error "A remote caller is told the same, byte for byte, whatever it is that does not open"
        [documents_that_do_not_open, messages_that_do_not_open] {}
    padded_lengths "The stored length of a padded value tells no more than the multiple it is padded to"
        [all_lengths_from_0_to_200] {}
    index_tokens "Index tokens of equal values in other fields, collections, tenants and realms are not equal"
        [equal_values_elsewhere_have_other_tokens, frequencies_are_guessed] {}
    rubbish "Bytes that others wrote are refused, or mean one thing only: without a panic, in bounded memory"
        [] {"tests/rubbish.rs": [rubbish_is_refused_without_a_panic_and_in_bounded_memory]}
    hostile_documents "Documents, wraps and answers of any size and depth take bounded time and memory"
        [] {"tests/hostile_documents.rs": [
            large_deep_and_crowded_documents_are_read_or_refused, forged_entries_have_few_reservations_read,
            plaintexts_that_claim_to_be_deep_or_long_are_refused, answers_with_impossible_lengths_are_refused,
            a_work_factor_that_takes_for_ever_is_refused_before_any_work,
        ]}
    failing_network "Over a network that fails, no wrong data is returned, no acknowledged write lost, none applied twice"
        [] {"tests/chaos.rs": [a_network_that_fails_loses_nothing_and_doubles_nothing]}
    changed_on_the_way "What is changed on the way is never returned as a sealed value"
        [] {"tests/chaos.rs": [changed_bits_are_never_returned_as_a_sealed_value]}
    killed_processes "A server or a client that is killed leaves errors behind, never wrong data or half a write"
        [] {"tests/chaos.rs": [
            a_killed_server_leads_to_errors_and_not_to_wrong_data, a_killed_client_leaves_nothing_half_done,
        ]}
    full_disk "A full disk leaves the file of a vault as it was"
        [] {"tests/full_disk.rs": [a_full_disk_leaves_the_vault_as_it_was]}
    clock_jumps "A clock that is set, by hours or years, prolongs no key and no message"
        [] {"tests/clock_jumps.rs": [
            no_key_lives_longer_because_a_clock_was_set,
            an_administrator_whose_clock_jumps_changes_rings_all_the_same,
            no_message_is_taken_twice_or_late_because_a_clock_was_set,
        ]}
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("table") {
        return table(true);
    }
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("security_md::names_every_promise", || {
        Ok(security_md::names_every_promise(PROMISES)?)
    })];
    for row in PROMISES {
        for &(test, run) in row.tests {
            trials.push(Trial::test(format!("{}::{test}", row.name), move || {
                let tally = Tally::default();
                if catch_unwind(AssertUnwindSafe(|| run(&tally))).is_err() {
                    tally.violated("it panicked, as told above");
                }
                Ok(tally.record(row.name, test)?)
            }));
        }
    }
    let whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    // A part of the tests is no table.
    let table = if whole { table(false) } else { ExitCode::SUCCESS };
    if conclusion.has_failed() { ExitCode::from(101) } else { table }
}

/// Prints all rows, or those with tests here; fails where one has violations, or tests that did not run.
fn table(all: bool) -> ExitCode {
    let rows: Vec<&Row> = PROMISES.iter().filter(|row| all || !row.tests.is_empty()).collect();
    let width = rows.iter().map(|row| row.sentence.chars().count()).max().unwrap_or_default();
    println!("{:<width$}  {:>12}  {:>10}", "promise", "tries", "violations");
    let (mut notes, mut bad) = (Vec::new(), 0);
    for row in &rows {
        let own = row.tests.iter().map(|(test, _)| *test);
        let elsewhere = row.elsewhere.iter().flat_map(|(_, functions)| *functions).copied();
        let functions: Vec<&str> = own.chain(elsewhere.filter(|_| all)).collect();
        let counted = counted(row.name, &functions);
        println!("{:<width$}  {:>12}  {:>10}", row.sentence, counted.tries, counted.violations);
        for test in &counted.missing {
            println!("{:<width$}  did not run", format!("  {test}"));
        }
        bad += usize::from(!counted.missing.is_empty() || counted.tries == 0 || counted.violations > 0);
        notes.extend(counted.notes.into_iter().map(|note| format!("{}: {note}", row.name)));
    }
    if !notes.is_empty() {
        println!("\n{}", notes.join("\n"));
    }
    let elsewhere = PROMISES.len() - rows.len();
    if elsewhere > 0 {
        println!(
            "\n{elsewhere} more are held by test programs of their own: tests/run prints the table of all."
        );
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
