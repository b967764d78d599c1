//! A text as words and what stands between them.

/// The words of a text: runs of letters, digits and underscores.
pub(super) struct Words<'a> {
    words: Vec<Word<'a>>,
    /// Whether the text is one word and nothing else.
    single: bool,
}

struct Word<'a> {
    text: &'a str,
    /// What stands between the word before and this one; at the start of the text, what stands before it.
    before: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let mut words = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(is_word) {
            let (before, word) = rest.split_at(start);
            let (text, after) = word.split_at(word.find(|letter| !is_word(letter)).unwrap_or(word.len()));
            words.push(Word { text, before });
            rest = after;
        }
        let single = words.len() == 1 && words[0].text.len() == text.trim().len();
        Self { words, single }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether the text is one word and nothing else.
    pub(super) fn is_single(&self) -> bool {
        self.single
    }

    /// The word at a position; empty past the end.
    pub(super) fn at(&self, at: usize) -> &'a str {
        self.words.get(at).map_or("", |word| word.text)
    }

    /// What stands before a word; empty past the end, too.
    pub(super) fn before(&self, at: usize) -> &'a str {
        self.words.get(at).map_or("", |word| word.before)
    }

    /// The word at a position if it is of digits only, and that many.
    pub(super) fn digits(&self, at: usize, len: usize) -> Option<&'a str> {
        Some(self.at(at)).filter(|word| word.len() == len && is_digits(word))
    }

    /// Whether the words before and after these are no further groups of digits of the same number.
    pub(super) fn stands_alone(&self, at: usize, count: usize) -> bool {
        let joins = |between: &str, word: &str| {
            is_digits(word) && (matches!(between, "-" | ".") || between == " " && word.len() == 4)
        };
        let before = at > 0 && joins(self.before(at), self.at(at - 1));
        !before && !joins(self.before(at + count), self.at(at + count))
    }

    /// The digits of consecutive words of these lengths, with one separator between all of them.
    pub(super) fn grouped(&self, at: usize, lengths: &[usize], separators: &[&str]) -> Option<String> {
        let mut digits = String::new();
        for (position, length) in lengths.iter().enumerate() {
            digits.push_str(self.digits(at + position, *length)?);
            let separator = self.before(at + position);
            if position > 0 && (!separators.contains(&separator) || separator != self.before(at + 1)) {
                return None;
            }
        }
        Some(digits)
    }
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The values of digits.
pub(super) fn values(digits: &str) -> impl DoubleEndedIterator<Item = u32> + '_ {
    digits.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0')))
}
