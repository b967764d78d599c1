//! On a terminal: questions, a bar, colours.

use super::desk::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_is_asked_for() {
    let desk = Desk::new().await;
    let (seen, code) = desk.terminal("fireseal init --vault-file keys.json", &[("[Y/n] ", "n")]);
    assert!(code == 0 && seen.contains("no recovery codes were made"), "{seen}");
    let (seen, code) = desk.terminal("fireseal keys destroy --all", &[("Type default to go on: ", "yes")]);
    assert!(code == 1 && seen.contains("not confirmed; nothing was done"), "{seen}");
    desk.ok("keys rotate");
    let (seen, code) =
        desk.terminal("fireseal keys destroy --all", &[("Type default to go on: ", "default")]);
    assert!(code == 0 && seen.contains("verified gone"), "{seen}");
    assert_eq!(desk.run("keys rotate").code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_that_want_them() {
    const ESCAPE: char = '\u{1b}';
    let desk = Desk::with_file_vault().await;
    let wrong = "fireseal keys show 0123456789";
    assert!(desk.terminal(wrong, &[]).0.contains(ESCAPE));
    let plain = desk.terminal(&format!("NO_COLOR=1 {wrong}"), &[]).0;
    assert!(plain.contains("error: scope default has no key") && !plain.contains(ESCAPE), "{plain}");
    assert!(!desk.run("keys show 0123456789").transcript().contains(ESCAPE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_shows_a_bar_on_a_terminal_and_lines_elsewhere() {
    let desk = Desk::with_customers().await;
    desk.customers(60).await;
    let (seen, code) = desk.terminal("fireseal migrate seal customers --writes-per-second 40", &[]);
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("/60 documents") && seen.contains(" left") && seen.contains("/s, "), "{seen}");
    assert!(seen.contains("60 written, 0 unchanged"), "{seen}");

    let elsewhere = desk.run("migrate seal customers --again");
    assert!(elsewhere.stderr.contains("documents, "), "{}", elsewhere.transcript());
    assert!(!desk.run("migrate seal customers --again --quiet").stderr.contains("documents"));
}
