//! What every command says of itself.

use std::process::Command;

use super::desk::snapshot;

fn program(arguments: &[String]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_fireseal")).args(arguments).env_clear().output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

/// The commands below one, by what it says of itself.
fn below(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = lines.take_while(|line| !line.is_empty());
    // A description that goes on in a second line is indented further.
    let commands = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    commands.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

fn each(path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &str)) {
    let mut arguments = path.clone();
    arguments.push("--help".to_owned());
    let (help, success) = program(&arguments);
    assert!(success, "{path:?}");
    visit(path, &help);
    for command in below(&help) {
        path.push(command);
        each(path, visit);
        path.pop();
    }
}

#[test]
fn every_command_says_what_it_does() {
    let mut commands = 0;
    each(&mut Vec::new(), &mut |path, help| {
        commands += 1;
        let name = if path.is_empty() { "fireseal".to_owned() } else { path.join("-") };
        let text: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        snapshot(&format!("help/{name}"), &text);
        for flag in ["--config", "--json", "--quiet", "--yes"] {
            assert!(help.contains(flag), "{name} has no {flag}");
        }
    });
    assert!(commands >= 35, "{commands} commands");
}

#[test]
fn there_is_a_man_page_for_every_command() {
    each(&mut Vec::new(), &mut |path, _| {
        let mut arguments = vec!["man".to_owned()];
        arguments.extend_from_slice(path);
        let (page, success) = program(&arguments);
        assert!(success && page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{path:?}: {page}");
        let name = std::iter::once("fireseal").chain(path.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join("-").replace('-', "\\-");
        assert!(page.contains(&format!("\n{name} \\- ")), "{path:?}: {page}");
    });
}

#[test]
fn there_are_completions_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (script, success) = program(&["completions".to_owned(), shell.to_owned()]);
        assert!(success && script.contains("rotate-index"), "{shell}");
    }
}

#[test]
fn the_vectors_are_those_of_the_tests() {
    for set in ["keys", "open", "refuse", "tokens", "messages"] {
        let (printed, success) = program(&["vectors".to_owned(), set.to_owned()]);
        let file = format!("{}/tests/vectors/{set}.json", env!("CARGO_MANIFEST_DIR"));
        assert!(success && printed == std::fs::read_to_string(file).unwrap(), "{set}");
    }
    let (all, _) = program(&["vectors".to_owned()]);
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all.as_object().unwrap().len(), 5);
}

/// The guide knows every command, and no other.
#[test]
fn the_guide_lists_every_command() {
    let guide = include_str!("../../docs/guide/program.md");
    let mut commands = Vec::new();
    each(&mut Vec::new(), &mut |path, help| {
        if below(help).is_empty() {
            commands.push(format!("`fireseal {}`", path.join(" ")));
        }
    });
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| `fireseal ")).collect();
    for command in &commands {
        assert_eq!(rows.iter().filter(|row| row.contains(command.as_str())).count(), 1, "{command}");
    }
    let listed = rows.iter().flat_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split(", "));
    assert_eq!(listed.count(), commands.len());
}
