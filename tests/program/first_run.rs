//! Someone who has nothing but the README: from a plaintext collection to sealed, audited, recoverable.

use super::desk::Desk;

/// The shell commands of the README's section about the program.
fn commands() -> String {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("The program")).unwrap();
    let blocks: Vec<&str> =
        section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 2, "{section}");
    // The first block builds the program, which was done for this test.
    assert!(blocks[0].starts_with("cargo install "), "{}", blocks[0]);
    blocks[1..].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_enough() {
    let desk = Desk::new().await;
    desk.customers(5).await;
    let output = desk.command("bash").args(["-euo", "pipefail", "-c", &commands()]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");

    for number in 0..5 {
        let document = desk.project.document(&format!("customers/c{number:04}")).await.unwrap().unwrap();
        let fields = &document["fields"];
        for sealed in ["ssn", "email"] {
            assert!(fields[sealed]["bytesValue"].is_string(), "{document}");
        }
        assert!(fields["name"]["stringValue"].is_string(), "{document}");
    }
    for plaintext in ["078-05-0001", "c1@example.com"] {
        assert!(desk.project.search(plaintext).await.unwrap().is_empty(), "{plaintext} is still there");
    }
    // Sealed, audited, and back after the root was lost.
    assert_eq!(desk.run("migrate verify customers").code, 0);
    assert_eq!(desk.run("audit").code, 0, "{}", desk.run("audit").transcript());
    assert!(out.contains("opens every key by itself; recorded"), "{out}");
    assert!(out.contains("is back under the root"), "{out}");
}
