//! The page of an audit in a real browser: what it shows, that nothing leaves it, and that hostile names do nothing.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/audited.rs"]
mod audited;
#[path = "support/browser.rs"]
mod browser;
#[path = "support/custody.rs"]
mod custody;

use std::sync::Arc;

use audited::{Db, audited, field, map, put, text};
use browser::{Look, Page};
use fireseal::operations::{Audit, AuditReport, CollectionConfig};
use fireseal::store::MemoryStore;

const LIGHT: Look = Look { width: 1_280, height: 3_600, dark: false };
const DARK: Look = Look { dark: true, ..LIGHT };

/// The colours of the style that the tests look for: sealed values, those that do not open, and the page.
const SEALED: [u8; 3] = [0x0f, 0x76, 0x6e];
const FAILS: [u8; 3] = [0xb3, 0x26, 0x1e];
const PAGE: [u8; 3] = [0xf3, 0xf4, 0xf6];
const DARK_SEALED: [u8; 3] = [0x2f, 0xb3, 0xa3];
const DARK_PAGE: [u8; 3] = [0x0e, 0x12, 0x18];

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

async fn report(store: &Db, name: &str) -> AuditReport {
    let audited = audited(store).await;
    let audit = Audit::new(Arc::clone(store), audited.collections.clone()).of_database(name);
    audit.with_keys(audited.vault.clone()).with_vault(audited.vault.clone()).run().await.unwrap()
}

/// Audits of the year before, while ever more was sealed.
fn earlier(report: &AuditReport) -> Vec<AuditReport> {
    let month = |months_ago: u64| {
        let mut earlier = report.clone();
        earlier.started_ms -= months_ago * 30 * DAY_MS;
        for field in earlier.collections.iter_mut().flat_map(|collection| &mut collection.fields) {
            let in_clear = field.values.opened * months_ago / 12;
            field.values.opened -= in_clear;
            field.values.plaintext += in_clear;
        }
        earlier
    };
    (1..=11).map(month).collect()
}

#[tokio::test]
async fn the_page_shows_the_report_and_nothing_leaves_it() {
    let store: Db = Arc::new(MemoryStore::new());
    let report = report(&store, "acme-production/(default)").await;
    let html = report.to_html(&earlier(&report));
    let page = Page::new(&html);
    let log = tempfile::NamedTempFile::new().unwrap();
    let (dom, console) = page.dom(&LIGHT, log.path());

    // All of it is there, as a browser understands it.
    for shown in [
        "<h1>acme-production/(default)</h1>",
        "id=\"verdict\"><b>Critical</b>",
        "<th scope=\"row\">ssn</th>",
        "<span class=\"key\">19 primary <code>",
        "Of all values in sensitive places",
        "payment card number",
        "in 12 audits.",
    ] {
        assert!(dom.contains(shown), "{shown} is not on the page");
    }
    let count = |what: &str| dom.matches(what).count();
    assert_eq!(count("<svg class=\"chart\""), 3);
    assert_eq!(count("role=\"img\""), 3);
    assert_eq!(count("<desc "), 3);
    assert_eq!(count("<circle "), 12);
    assert_eq!(count("<caption>"), count("<table>"));
    assert_eq!(count("<section "), count("</h2>"));
    assert_eq!(count("<script"), 0);
    assert!(!console.contains("CONSOLE"), "the page is not quiet:\n{console}");

    // The browser itself asks nobody: its log of the network has no request but the file's.
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("url("));
    assert!(!log.contains("example.com"), "a request leaves");

    let picture = page.screenshot(&LIGHT, "light.png");
    assert_eq!((picture.width, picture.height), (1_280, 3_600));
    assert!(picture.colours() > 100, "the page is blank");
    for (colour, least) in [(SEALED, 3_000), (FAILS, 200), (PAGE, 100_000)] {
        assert!(picture.count(colour) > least, "{colour:02x?}: {} pixels", picture.count(colour));
    }
    let dark = page.screenshot(&DARK, "dark.png");
    for (colour, least) in [(DARK_SEALED, 3_000), (DARK_PAGE, 100_000)] {
        assert!(dark.count(colour) > least, "{colour:02x?}: {} pixels", dark.count(colour));
    }
    assert_eq!(dark.count(PAGE), 0);
    if let Some(folder) = std::env::var_os("FIRESEAL_KEEP_PICTURES") {
        std::fs::copy(&picture.file, std::path::Path::new(&folder).join("light.png")).unwrap();
        std::fs::copy(&dark.file, std::path::Path::new(&folder).join("dark.png")).unwrap();
        std::fs::write(std::path::Path::new(&folder).join("page.html"), &html).unwrap();
    }
}

/// Names as someone gives them who writes the database and wants to be shown something else.
const HOSTILE: [&str; 9] = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</style><style>*{display:none}</style>",
    "</title></svg><svg onload=\"document.title='owned'\">",
    "\" onmouseover=\"x",
    "' autofocus onfocus='document.title=1",
    "<link rel=stylesheet href=https://example.com/x.css>",
    "<meta http-equiv=refresh content=0;url=https://example.com>",
    "\u{202e}drawkcab\u{1b}[31m &lt;b&gt; `${1}`",
];

#[tokio::test]
async fn hostile_names_are_only_names() {
    let store: Db = Arc::new(MemoryStore::new());
    let mut report = report(&store, HOSTILE[0]).await;
    let clear = |name: &'static str| map([(name, text("ada@example.com"))]);
    for (position, name) in HOSTILE.into_iter().enumerate() {
        put(&store, &format!("hostile-{position}"), &["clear"], Some(clear(name))).await;
        put(&store, &format!("hostile-{position}"), &["sealed", name], Some(text("plain"))).await;
    }
    let hostile = |name: &str| CollectionConfig::new(name, vec![field("sealed.*")]);
    let customers = Audit::new(Arc::clone(&store), [hostile("customers")]).run().await.unwrap();
    report.collections.extend(customers.collections);
    report.findings.extend(customers.findings);
    for name in HOSTILE {
        let empty = Audit::new(MemoryStore::new(), [hostile(&name.replace('/', ""))]).run().await.unwrap();
        report.collections.extend(empty.collections);
        // A report from a file may hold anything in any place.
        let mut key = report.keys[0].clone();
        (key.scope, key.key) = (name.to_owned(), name.to_owned());
        report.keys.push(key);
        let mut finding = report.findings[0].clone();
        (finding.collection, finding.field) = (name.to_owned(), name.to_owned());
        finding.message = name.to_owned();
        report.findings.push(finding);
        let mut audit = report.collections[0].clone();
        audit.path = name.to_owned();
        report.collections.push(audit);
    }
    let html = report.to_html(&[]);
    let log = tempfile::NamedTempFile::new().unwrap();
    let (dom, console) = Page::new(&html).dom(&LIGHT, log.path());

    // What a parser made of it has none of their elements and attributes.
    let elements =
        ["<script", "<img", "<link", "<meta http-equiv=\"refresh\"", "<b>&amp;lt;", " onload=", "<iframe"];
    for element in elements {
        assert!(!tags(&dom).contains(element), "{element} is an element of the page");
    }
    for attribute in [" onerror=", " onload=", " onmouseover=", " onfocus=", " autofocus"] {
        assert!(!tags(&dom).contains(attribute), "{attribute} is an attribute of the page");
    }
    assert!(dom.contains("<title>Audit of &lt;script&gt;"), "the title is not the name");
    assert_eq!(dom.matches("<style").count(), 1);
    assert!(dom.contains("\\u{202e}drawkcab\\u{1b}[31m") && !dom.contains('\u{202e}'));
    assert!(!console.contains("CONSOLE"), "{console}");
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(!log.contains("example.com"), "a request leaves");
}

/// The tags of a document, without the text between them.
fn tags(dom: &str) -> String {
    dom.split('<').skip(1).filter_map(|tag| Some(format!("<{}>", tag.split_once('>')?.0))).collect()
}

#[tokio::test]
async fn the_policy_forbids_what_a_page_could_try() {
    // A page with the report's own policy and a script, a style, a picture and a request of somebody else.
    let report = Audit::new(MemoryStore::new(), [CollectionConfig::new("none", vec![field("ssn")])]);
    let html = report.run().await.unwrap().to_html(&[]);
    let intruders = "<p id=\"mark\">still</p><script>document.getElementById('mark').textContent='owned'</script>\
                     <style>body{background:#ff00ff!important}</style><img src=\"https://example.com/x.png\">";
    let html = html.replace("</main>", &format!("{intruders}</main>"));
    let page = Page::new(&html);
    let log = tempfile::NamedTempFile::new().unwrap();
    let (dom, console) = page.dom(&LIGHT, log.path());
    assert!(dom.contains("<p id=\"mark\">still</p>"), "the script ran");
    for directive in ["script-src", "style-src", "img-src"] {
        assert!(console.contains(directive), "{directive} was not refused:\n{console}");
    }
    assert!(!std::fs::read_to_string(log.path()).unwrap().contains("example.com"), "a request leaves");
    assert_eq!(page.screenshot(&LIGHT, "intruded.png").count([255, 0, 255]), 0);

    // Without the policy all of it happens, and the log shows the request: the checks above see what they look for.
    let (before, rest) = html.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let bare = Page::new(&format!("{before}<meta{rest}"));
    let log = tempfile::NamedTempFile::new().unwrap();
    let (dom, _) = bare.dom(&LIGHT, log.path());
    assert!(dom.contains("<p id=\"mark\">owned</p>"));
    assert!(std::fs::read_to_string(log.path()).unwrap().contains("https://example.com/x.png"));
}
