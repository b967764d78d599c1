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
#[path = "promises/rotation_beside_writers.rs"]
mod rotation_beside_writers;
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
        [every_bit_and_length_of_a_wrap, wraps_are_substituted, rings_are_substituted] {
            "tests/hostile_keys.rs": [hostile_records_are_refused, hostile_documents_are_refused],
        }
    one_public_error "A remote caller is told the same, byte for byte, whatever it is that does not open"
        [documents_that_do_not_open, messages_that_do_not_open] {}
    rotation_beside_writers "Data keys rotated beside writers lose no change and leave every document readable"
        [eight_writers_and_two_rotators] {}
    padded_lengths "The stored length of a padded value tells no more than the multiple it is padded to"
        [all_lengths_from_0_to_200] {}
    authenticated_documents "A document of an authenticated type that somebody without a key changed is neither read nor written over"
        [] {"tests/document_seal.rs": [every_bit_of_the_seal_counts, no_forgery_is_accepted_on_any_path]}
    authenticated_writes "No write of an authenticated document is lost, and each has the next revision"
        [] {"tests/document_seal_writes.rs": [writers_at_once_lose_nothing]}
    index_tokens "Index tokens of equal values in other fields, collections, tenants and realms are not equal"
        [equal_values_elsewhere_have_other_tokens, frequencies_are_guessed] {}
    read_paths "No way of reading passes off ciphertext, a moved value, or a document with a copied token as an answer"
        [] {
            "tests/read_paths.rs": [what_was_sealed_opens, a_moved_envelope_is_refused, an_envelope_of_another_field_is_refused, plaintext_is_refused, a_deleted_field_is_refused, a_changed_envelope_is_refused, a_copied_token_finds_nobody_else],
        }
    plaintext_window "Plaintext passes only in the fields of an open window, until its date, and each time it is counted"
        [] {
            "tests/plaintext_window.rs": [without_a_window_plaintext_is_refused, an_open_window_accepts_and_counts, a_window_covers_the_named_fields_only, a_window_closes_at_its_date, a_window_does_not_open_damaged_values],
        }
    provider_answers "A key provider's wrong answer is not believed; one that is down is neither tampering nor a write in the clear"
        [] {
            "tests/keys.rs": [a_ring_of_another_scope_neither_seals_nor_opens, a_key_service_that_is_down_is_no_tampering_and_no_plaintext_write, a_wrong_key_from_the_provider_is_not_believed],
            "tests/opening.rs": [a_provider_is_believed_only_about_the_key_that_was_asked_for],
        }
    lying_servers "A server that answers for another document, twice, or not at all is not believed"
        [] {
            "tests/store_faults.rs": [answers_for_other_documents_are_refused, pages_of_other_collections_are_refused, a_commit_has_a_result_for_each_write],
            "tests/hostile_store.rs": [another_document_than_the_one_asked_for_is_refused, too_few_and_too_many_answers_are_refused],
        }
    unknown_keys_kept "A field that does not open is kept byte for byte by a partial save"
        [] {
            "tests/partial.rs": [saving_keeps_what_did_not_open],
        }
    values_return "Values of every shape that serde has come back unchanged"
        [] {
            "tests/codec.rs": [integers, floats, text_and_bytes, options_and_nesting, structs_and_flattening, enums_of_every_tagging, tuple_variants, times_and_addresses, firestore_types, json_values],
        }
    documented_format "The format is what docs/format.md says, for a reader in Python that shares no code with fireseal as well"
        [] {
            "tests/vectors.rs": [positive_vectors_open, hostile_vectors_are_refused],
            "tests/decoder.rs": [another_implementation_agrees_on_every_vector, another_implementation_makes_every_token],
        }
    moved_messages "A sealed value of a message opens as part of that message only, for its receiver, in time, and once"
        [] {
            "tests/messages/replay.rs": [the_replay_matrix],
            "tests/messages/rebind.rs": [what_does_not_open_is_not_moved],
            "tests/messages/nats.rs": [events_are_bound_to_their_subject_and_taken_once, an_answer_opens_for_its_own_request_only],
        }
    known_callers "Over real NATS and gRPC servers nothing sensitive passes in the clear, and no stranger is let in"
        [] {
            "tests/messages/nats.rs": [a_relay_without_a_key_routes_stores_and_forwards, who_has_no_certificate_of_ours_is_refused],
            "tests/messages/grpc.rs": [a_request_is_opened_in_the_handler_and_answered_sealed, a_caller_is_who_its_certificate_says],
        }
    query_equivalence "A query through an index finds what the same query over plaintext finds, also during rotations"
        [] {
            "tests/query_equivalence.rs": [memory_answers_as_plaintext_does, firestore_answers_as_plaintext_does],
        }
    unique_values "Two documents cannot hold the same unique value, and a forged reservation is refused"
        [] {
            "tests/unique.rs": [of_sixteen_racers_one_wins, racing_changes_leave_one_holder, a_taken_value_is_told_and_nothing_is_written, a_forged_reservation_is_refused, while_the_index_key_is_rotated_both_are_reserved],
        }
    lost_answers "A commit whose answer is lost is not applied twice, and not called done unless it is"
        [] {
            "tests/lost_commits.rs": [a_creation_is_applied_once, an_update_is_applied_once, an_increment_is_applied_once, a_batch_is_applied_once, a_transaction_is_applied_once, a_creation_that_did_not_arrive_is_not_sent_again, what_is_not_known_is_said],
        }
    no_lost_updates "No update is lost and no change missed, with writers, transactions and watchers at once"
        [] {
            "tests/concurrency.rs": [writers_during_reads, two_transactions_on_one_document, changes_by_eight_tasks],
            "tests/transactions.rs": [no_update_is_lost],
            "tests/watching.rs": [a_dropped_connection_costs_no_change_and_repeats_none],
        }
    index_rotation "Every look-up finds its document in every phase of an index key's rotation, and values stay unique"
        [] {
            "tests/index_rotation.rs": [every_look_up_finds_its_document_in_every_phase, a_value_stays_unique_at_every_boundary],
        }
    key_rotation "A rotation that is killed at any step leaves every document readable, and ends with one ring"
        [] {
            "tests/key_lifecycle.rs": [killed_at_every_step_over_a_file, killed_at_every_step_over_the_emulator, killed_at_any_moment_over_a_file],
            "tests/vault.rs": [documents_open_through_every_change, fifty_at_once_make_one_ring, changes_at_the_same_time_conflict],
        }
    revocation "A revoked key is used no longer than the published time, and an outage is not multiplied"
        [] {
            "tests/key_cache.rs": [a_revocation_takes_the_hard_time_to_live_at_most, a_new_key_is_found_and_an_unknown_one_asks_once_per_pause, a_machine_that_slept_and_a_clock_set_back_prolong_nothing],
        }
    key_services "A root is called only if it is listed; its failures are told, never worked around, in bounded time"
        [] {
            "tests/roots_gcp_kms.rs": [only_names_on_the_list_are_called, a_failure_in_passing_is_retried_once, other_failures_and_lies_are_told_apart, all_stays_within_one_deadline],
            "tests/roots_vault.rs": [the_context_and_every_byte_are_authenticated, other_failures_are_told_apart, certificates_are_verified],
        }
    recovery "A wrong recovery code, share or device opens nothing, and the last way to a key is not dropped"
        [] {
            "tests/recovery.rs": [a_typo_and_another_users_code_are_told_apart_at_once, a_device_is_approved_by_its_fingerprint_only, the_last_device_stays, nothing_is_sealed_before_it_can_be_recovered, shares_that_do_not_go_together_are_told],
        }
    limits "Firestore's limits are refused before anything is sent, with the name of the field"
        [] {
            "tests/store_limits.rs": [the_largest_value, the_largest_document, the_deepest_value, the_longest_field_name],
        }
    floors "The code that talks to the database cannot see a key"
        [] {
            "tests/floors.rs": [imports_go_down_and_files_are_short],
        }
    misuse "Wrong use of the attributes does not compile"
        [] {
            "tests/ui.rs": [misuse_is_refused],
        }
    nothing_shows "No sensitive value and no key shows: in the database, on the wire, in a log, an error, a panic, a file, a command line"
        [] {
            "tests/leaks.rs": [the_database_holds_no_secret],
            "tests/leaks_around.rs": [nothing_shows_around_a_process],
        }
    nothing_stays "No key, and nothing that the library decrypted into, stays in memory once it is dropped"
        [] {"tests/leaks_memory.rs": [no_key_is_left_in_memory]}
    nonces "No nonce is drawn twice: not within a document, across writes, by threads or after a fork"
        [] {
            "tests/fork.rs": [nonces_differ_after_fork],
            "tests/nonces.rs": [sixteen_threads_seal_at_once],
        }
    constant_time "The time of comparing a tag, a token, a key id or a code does not tell where the difference lies"
        [] {"src/timing.rs": [comparisons_take_the_same_time_wherever_the_difference_lies]}
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
        [] {"tests/chaos.rs": [
            changed_bits_are_never_returned_as_a_sealed_value,
            changed_bits_are_never_returned_in_a_sealed_document,
        ]}
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
