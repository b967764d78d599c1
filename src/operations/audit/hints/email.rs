//! E-mail addresses.

/// Whether an e-mail address stands in a text: what people have for one, not all that RFC 5322 allows.
pub(super) fn is_in(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let (local, domain) = (&text[..at], &text[at + 1..]);
        let in_local = |letter: char| letter.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(letter);
        let in_domain = |letter: char| letter.is_alphanumeric() || letter == '.' || letter == '-';
        let start = local.rfind(|letter| !in_local(letter));
        let start = start.map_or(0, |at| at + local[at..].chars().next().map_or(0, char::len_utf8));
        let end = domain.find(|letter| !in_domain(letter)).unwrap_or(domain.len());
        is_local(&local[start..]) && is_domain(domain[..end].trim_end_matches(['.', '-']))
    })
}

fn is_local(local: &str) -> bool {
    (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.contains(char::is_alphanumeric)
}

fn is_domain(domain: &str) -> bool {
    let labels = || domain.split('.');
    let is_label =
        |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    // `logo@2x.png` is a picture.
    let is_scale = |label: &str| matches!(label.as_bytes(), [b'1'..=b'9', b'x']);
    let top = labels().next_back().unwrap_or_default();
    let is_top = top.starts_with("xn--") || top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    domain.len() <= 253
        && labels().count() >= 2
        && labels().all(is_label)
        && is_top
        && !labels().next().is_some_and(is_scale)
}
