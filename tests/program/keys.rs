//! Setting up, and the life of keys.

use serde_json::json;

use super::desk::{Desk, snapshot};

/// The keys of a listing: id, purpose and state.
fn keys(desk: &Desk) -> Vec<(String, String, String)> {
    let listed = desk.json("keys list");
    let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
    let keys = listed["keys"].as_array().unwrap().iter();
    keys.map(|key| (text(key, "id"), text(key, "purpose"), text(key, "state"))).collect()
}

fn find(desk: &Desk, purpose: &str, state: &str) -> String {
    let keys = keys(desk);
    let found = keys.iter().find(|key| key.1 == purpose && key.2 == state);
    found.unwrap_or_else(|| panic!("no {state} {purpose} key in {keys:?}")).0.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_key_in_a_file_vault() {
    let desk = Desk::new().await;
    let mut told = String::new();
    let mut run = |arguments: &str| {
        let run = desk.run(arguments);
        told.push_str(&run.transcript());
        told.push('\n');
        run
    };
    assert_eq!(run("init --vault-file keys.json --codes 0").code, 0);
    assert_eq!(run("keys list").code, 0);
    assert_eq!(run("keys rotate").code, 0);
    let old = find(&desk, "data", "active");
    assert_eq!(run(&format!("keys show {}", &old[..8])).code, 0);
    assert_eq!(run(&format!("keys destroy {} --yes --receipt receipt.txt", &old[..16])).code, 0);
    assert_eq!(run("keys rotate-index").code, 0);
    let index = find(&desk, "index", "active");
    assert_eq!(run(&format!("keys promote-index {}", &index[..8])).code, 1, "too early");
    let primary = find(&desk, "data", "primary");
    assert_eq!(run(&format!("keys compromised {primary} --yes")).code, 0);
    assert_eq!(run("keys list").code, 0);
    assert_eq!(run("keys create --scope acme").code, 0);
    assert_eq!(run("keys destroy --all --scope acme --yes").code, 0);
    assert_eq!(run("keys rotate --scope acme").code, 1, "destroyed");
    // What was typed is a beginning of what is shown.
    let typed = |id: &str, length: usize| format!(" {}", &id[..length]);
    let told = told.replace(&format!("{}\n", typed(&old, 8)), " <8 digits>\n");
    let told = told.replace(&format!("{}\n", typed(&index, 8)), " <8 digits>\n");
    let told = steady_numbers(&told);
    snapshot("keys", &told);

    assert!(desk.read("receipt.txt").contains("verified gone"));
    let states: Vec<String> = keys(&desk).into_iter().map(|key| key.2).collect();
    assert_eq!(states, ["destroyed", "primary", "compromised", "active", "primary"]);
}

/// Times in milliseconds and seconds that are left.
fn steady_numbers(text: &str) -> String {
    let number = |word: &str| word.len() >= 3 && word.bytes().all(|digit| digit.is_ascii_digit());
    let lines = text.lines().map(|line| {
        let words = line.split(' ').map(|word| if number(word) { "<number>" } else { word });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.map(|line| line + "\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_takes_over_in_the_database() {
    let desk = Desk::with_customers().await;
    desk.customers(1).await;
    desk.ok("init --config other.toml --vault-file unused.json --root age --root-file second.key --authority-file other.key --codes 0");
    desk.configure("[[vault.roots]]\nkind = \"age\"\nname = \"second\"\nidentity_file = \"second.key\"\n");
    let told = desk.ok("keys rewrap --add second --remove 0 --yes --json").json();
    assert_eq!(told["added"], json!([1]));
    std::fs::remove_file(desk.path("root.key")).unwrap();
    desk.ok("keys rotate");
    let slots = desk.json("recovery list")["slots"].clone();
    assert_eq!(slots.as_array().unwrap().len(), 1);
    assert!(slots[0]["root"].as_str().unwrap().starts_with("age:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_on_a_token_takes_over() {
    let desk = Desk::with_customers().await;
    desk.customers(3).await;
    desk.with_token();
    let told = desk.ok("keys rewrap --add token --remove 0 --yes --json").json();
    assert_eq!(told["added"], json!([1]));
    std::fs::remove_file(desk.path("root.key")).unwrap();
    desk.ok("keys rotate");
    desk.ok("migrate seal customers --yes");
    desk.ok("audit");
    let slots = desk.json("recovery list")["slots"].clone();
    assert_eq!(slots[0]["root"], "pkcs11:token=office;object=root%20key;id=%01%AB");
    // Without the token nothing opens, and the program says that it is the root's doing.
    std::fs::remove_dir_all(desk.path("tokens")).unwrap();
    std::fs::create_dir(desk.path("tokens")).unwrap();
    let refused = desk.run("audit");
    assert!(refused.code != 0 && refused.transcript().contains("token"), "{}", refused.transcript());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_retired_while_it_may_be_used() {
    let desk = Desk::with_customers().await;
    desk.ok("keys rotate");
    let old = find(&desk, "data", "active");
    let early = desk.run(&format!("keys retire {old} --yes --json"));
    assert_eq!(
        (early.code, early.json()["event"].as_str()),
        (4, Some("too-early")),
        "{}",
        early.transcript()
    );
    let primary = find(&desk, "data", "primary");
    assert_eq!(desk.run(&format!("keys retire {primary} --yes")).code, 1);
    let refused = desk.run(&format!("keys retire {old}"));
    assert_eq!(refused.code, 2, "without a terminal nothing is asked: {}", refused.transcript());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_index_entries_keep_a_key_as_values_do() {
    let desk = Desk::with_customers().await;
    desk.configure("[collections.orders]\ngroup = true\nfields.card = {}\n");
    desk.customers(2).await;
    let order = json!({"card": {"stringValue": "4111"}});
    for path in ["customers/c0000/orders/one", "customers/c0001/orders/one", "orders/one"] {
        desk.project.put(path, &order).await.unwrap();
    }
    let count = |key: &str| desk.json(&format!("keys show {key} --count"))["documents"].clone();
    let (data, index) = (find(&desk, "data", "primary"), find(&desk, "index", "primary"));
    desk.ok("migrate seal orders");
    assert_eq!(count(&data), json!(3), "the documents of a group");
    assert_eq!(count(&index), json!(0));
    desk.ok("migrate seal customers");
    assert_eq!((count(&data), count(&index)), (json!(5), json!(2)), "values, and entries of indexes");
    desk.ok("keys rotate");
    desk.ok("migrate reseal customers");
    assert_eq!(count(&data), json!(3));
    // What counts is said before anything is asked.
    let told = desk.run(&format!("keys retire {data}")).stderr;
    assert!(told.contains("customers, orders (group)"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_come_from_the_configured_fields() {
    let desk = Desk::with_customers().await;
    desk.configure(
        "[collections.notes]\ngroup = true\nfields.\"lines[].text\" = {}\nfields.author = { index = true }\n",
    );
    let printed = desk.ok("indexes");
    snapshot("indexes", &printed.stdout);
    std::fs::write(desk.path("firestore.indexes.json"), "{\"indexes\": []}").unwrap();
    assert_eq!(desk.run("indexes --check firestore.indexes.json").code, 3);
    let merged = desk.ok("indexes --merge firestore.indexes.json").stdout;
    std::fs::write(desk.path("firestore.indexes.json"), merged).unwrap();
    assert_eq!(desk.run("indexes --check firestore.indexes.json").code, 0);
}
