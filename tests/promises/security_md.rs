//! SECURITY.md and the promises that are tried are the same, both ways, down to the names of the test functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Row;

/// A row of SECURITY.md: the files that it links, and the functions that it names after each.
type Links = BTreeMap<String, BTreeSet<String>>;

/// With `FIRESEAL_BLESS=1` the table is written first.
pub fn names_every_promise(promises: &[Row]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"));
    if std::env::var_os("FIRESEAL_BLESS").is_some() {
        fs::write(root.join("SECURITY.md"), with_table(&read("SECURITY.md")?, promises)).unwrap();
    }
    let written = rows(&read("SECURITY.md")?);
    let mut wrong = Vec::new();
    for row in promises {
        let expected = expected(row);
        for (file, _) in row.elsewhere {
            let text = read(file)?;
            if !["new", "kept"].iter().any(|call| text.contains(&format!("Promise::{call}(\"{}\"", row.name)))
            {
                wrong.push(format!("{file} does not count the promise {}", row.name));
            }
        }
        match written.get(row.sentence) {
            Some(links) if *links == expected => {}
            found => wrong.push(format!(
                "SECURITY.md should have the row\n| {} | {} |\nand has the tests {found:?}",
                row.sentence,
                shown(&expected)
            )),
        }
        for (file, functions) in &expected {
            let text = read(file)?;
            let absent = functions.iter().filter(|name| !text.contains(&format!("fn {name}(")));
            wrong.extend(absent.map(|name| format!("{file} has no function {name}")));
        }
    }
    for sentence in written.keys().filter(|&sentence| promises.iter().all(|row| row.sentence != sentence)) {
        wrong.push(format!("SECURITY.md promises what no test tries: {sentence}"));
    }
    for file in rust_files(&root.join("tests")).into_iter().chain(rust_files(&root.join("src"))) {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("Promise::") {
            let call = &text[at + "Promise::".len()..];
            let Some(name) = ["new(\"", "kept(\""].iter().find_map(|opening| call.strip_prefix(opening))
            else {
                continue;
            };
            let name = name.split('"').next().unwrap_or_default();
            if text[..at].lines().last().unwrap_or_default().trim_start().starts_with("//") {
                continue;
            }
            let file = file.strip_prefix(root).unwrap().to_str().unwrap();
            let listed =
                |row: &Row| row.name == name && row.elsewhere.iter().any(|(other, _)| *other == file);
            if name.chars().all(|c| c == '_' || c.is_ascii_lowercase()) && !promises.iter().any(listed) {
                wrong.push(format!("{file} counts {name:?}, which tests/promises.rs does not list for it"));
            }
        }
    }
    for (page, folder) in [("SECURITY.md", root), ("docs/threat-model.md", &root.join("docs"))] {
        let text = read(page)?;
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let absent =
            linked.filter(|link| !link.is_empty() && !link.contains("://") && !folder.join(link).exists());
        wrong.extend(absent.map(|link| format!("{page} links {link}, which is not there")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn expected(row: &Row) -> Links {
    let mut links = Links::new();
    if !row.tests.is_empty() {
        let tests = row.tests.iter().map(|(test, _)| (*test).to_owned()).collect();
        links.insert(format!("tests/promises/{}.rs", row.name), tests);
    }
    for (file, functions) in row.elsewhere {
        links.insert((*file).to_owned(), functions.iter().map(|&function| function.to_owned()).collect());
    }
    links
}

/// The page with the table that belongs there.
fn with_table(page: &str, promises: &[Row]) -> String {
    let head = "| Promise | Tests |\n|---|---|\n";
    let (before, after) = page.split_once(head).expect("SECURITY.md has the table's head");
    let rest = after.find("\n\n").map_or("", |end| &after[end + 1..]);
    let rows = promises.iter().map(|row| format!("| {} | {} |\n", row.sentence, shown(&expected(row))));
    format!("{before}{head}{}{rest}", rows.collect::<String>())
}

/// The rows of the table under the heading "What is promised".
fn rows(text: &str) -> BTreeMap<String, Links> {
    let section =
        text.split("\n## ").find(|section| section.starts_with("What is promised")).unwrap_or_default();
    let cells = section.lines().filter_map(|line| {
        let (sentence, tests) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        (sentence != "Promise").then(|| (sentence.to_owned(), links(tests)))
    });
    cells.collect()
}

/// ``[`file`](file) `function`, `function`; [`file`](file) `function` ``
fn links(cell: &str) -> Links {
    let file = |part: &str| {
        let (name, functions) = part.trim().split_once(')').unwrap_or((part, ""));
        let file = name.rsplit_once("](").map_or(name, |(_, file)| file);
        let functions = functions.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (file.to_owned(), functions)
    };
    cell.split(';').map(file).collect()
}

fn shown(links: &Links) -> String {
    let file = |(file, functions): (&String, &BTreeSet<String>)| {
        let functions: Vec<String> = functions.iter().map(|name| format!("`{name}`")).collect();
        format!("[`{file}`]({file}) {}", functions.join(", "))
    };
    links.iter().map(file).collect::<Vec<_>>().join("; ")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
