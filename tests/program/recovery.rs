//! Ways back are made, proved and used.

use super::desk::{Desk, snapshot};

/// The lines that look like secrets of a kind.
fn first(text: &str, beginning: &str) -> String {
    text.lines().find(|line| line.starts_with(beginning)).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_back_is_made_proved_and_listed() {
    let desk = Desk::with_file_vault().await;
    let mut told = String::new();
    let mut feed = |words: &[&str], input: &str| {
        let run = desk.feed_words(words, input);
        told.push_str(&run.transcript());
        told.push('\n');
        assert_eq!(run.code, 0, "{}", run.transcript());
        run
    };
    feed(&["recovery", "list"], "");
    let codes = feed(&["recovery", "codes", "--count", "1"], "").stdout;
    feed(&["recovery", "verify", "--from", "-"], &codes.to_lowercase());
    let backup = feed(&["recovery", "backup", "--name", "safe"], "").stdout;
    feed(&["recovery", "verify", "--from", "-"], &backup);
    let shares = feed(&["recovery", "quorum", "--need", "2", "--of", "3"], "").stdout;
    let two: Vec<&str> = shares.lines().skip(1).collect();
    feed(&["recovery", "verify", "--from", "-"], &two.join("\n"));
    let asked =
        feed(&["recovery", "device", "request", "--name", "laptop", "--identity", "device.key"], "").stdout;
    let (request, fingerprint) = (first(&asked, "fireseal-device-v1"), first(&asked, "fingerprint: "));
    let fingerprint = fingerprint.trim_start_matches("fingerprint: ");
    feed(&["recovery", "device", "approve", &request, "--fingerprint", fingerprint], "");
    feed(&["recovery", "verify", "--from", "device.key"], "");
    feed(&["recovery", "verify", "--root", "first", "--no-record"], "");
    feed(&["recovery", "device", "list"], "");
    feed(&["recovery", "device", "rename", "4", "old laptop"], "");
    feed(&["recovery", "revoke", "4", "--yes"], "");
    feed(&["recovery", "list"], "");
    let (name, set) = (codes[..4].to_owned(), shares.split(':').nth(1).unwrap().to_owned());
    let told = told.replace(&name, "C0DE").replace(&set, "SET");
    snapshot("recovery", &told);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_that_cannot_be_written_down() {
    let desk = Desk::with_customers().await;
    let before = desk.json("recovery list")["slots"].clone();
    for command in ["recovery codes --count 1 --out no/codes.txt", "recovery quorum --need 2 --of 3 --out no"]
    {
        let run = desk.run(command);
        assert_eq!(run.code, 1, "{}", run.transcript());
    }
    std::fs::write(desk.path("share-3.txt"), "").unwrap();
    assert_eq!(desk.run("recovery quorum --need 2 --of 3 --out .").code, 2);
    assert!(!desk.path("share-1.txt").exists(), "a share's file without a share");
    assert_eq!(desk.json("recovery list")["slots"], before);
    let kept = desk.run("keys destroy --all --yes --receipt no/receipt.txt");
    assert_eq!(kept.code, 1, "{}", kept.transcript());
    assert_eq!(desk.run("keys destroy --all --yes --receipt share-3.txt").code, 2);
    desk.ok("keys rotate");
}

/// A disk that is full only when it matters.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_in_the_end_is_shown() {
    let desk = Desk::with_customers().await;
    let full = |arguments: &str| {
        let mut command = desk.command("sh");
        command.args(["-c", &format!("trap '' XFSZ; ulimit -f 0; exec fireseal {arguments}")]);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    };
    let (codes, warned, code) = full("recovery codes --count 1 --out codes.txt");
    assert!(code == Some(1) && warned.contains("codes.txt cannot be written"), "{codes}{warned}");
    assert!(!desk.path("codes.txt").exists(), "an empty file");
    let run = desk.feed("recovery verify --from -", &codes);
    assert_eq!(run.code, 0, "{}", run.transcript());
    let (shares, warned, code) = full("recovery quorum --need 2 --of 3 --out .");
    assert!(code == Some(1) && shares.lines().count() == 3, "{shares}{warned}");
    let (receipt, warned, code) = full("keys destroy --all --yes --receipt receipt.txt");
    assert!(code == Some(1) && receipt.contains("verified gone"), "{receipt}{warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_comes_back_with_a_code_and_with_a_backup_key() {
    let desk = Desk::with_customers().await;
    desk.ok("recovery codes --count 1 --out codes.txt");
    desk.ok("recovery backup --name safe --out backup.txt");
    let new_root = |name: &str| {
        desk.ok(&format!(
            "init --config {name}.toml --vault-file {name}.json --root-file {name}.key --authority-file {name}.auth --codes 0"
        ));
        desk.configure(&format!(
            "[[vault.roots]]\nkind = \"local\"\nname = \"{name}\"\nkey_file = \"{name}.key\"\n"
        ));
    };
    std::fs::remove_file(desk.path("root.key")).unwrap();
    new_root("second");
    let refused = desk.run("recovery recover --root second --from codes.txt --yes");
    assert_eq!(refused.code, 1, "the lost slot was not named: {}", refused.transcript());
    assert!(refused.stderr.contains("--lost"), "{}", refused.transcript());
    desk.ok("recovery recover --root second --from codes.txt --lost 0 --yes");
    let again = desk.run("recovery recover --root second --from codes.txt --yes");
    assert_eq!(again.code, 1, "the code was used up: {}", again.transcript());

    std::fs::remove_file(desk.path("second.key")).unwrap();
    new_root("third");
    let slots = desk.json("recovery list")["slots"].clone();
    let lost =
        slots.as_array().unwrap().iter().find(|slot| slot["name"] == "second").unwrap()["slot"].clone();
    desk.ok(&format!("recovery recover --root third --from backup.txt --lost {lost} --yes"));
    desk.ok("keys rotate");
    desk.ok("recovery verify --root third");
}
