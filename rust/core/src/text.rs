//! Texts to tokens, and tokens to numbers.

use std::collections::HashMap;

/// What makes tokens of a text.
#[derive(Clone, Debug, Default)]
pub struct Tokenizer {
    /// Whether ASCII letters become small; others stay, as in Keras.
    pub lower: bool,
    /// Whether ASCII punctuation goes.
    pub strip: bool,
    /// Where texts are cut.
    pub split: Split,
    /// How many tokens, joined by a space, make one; all these kinds in turn. Empty: tokens stay alone.
    pub ngrams: Vec<usize>,
}

/// Where texts are cut into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Nowhere: a text is a token.
    #[default]
    Nowhere,
    /// At runs of ASCII whitespace.
    Whitespace,
    /// Between characters.
    Characters,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

impl Tokenizer {
    /// Calls `found` for every token of a document, which is one text or several.
    pub fn tokens<S: AsRef<str>>(&self, document: &[S], mut found: impl FnMut(&str)) {
        if self.ngrams.is_empty() {
            return self.single(document, found);
        }
        let mut single = Vec::new();
        self.single(document, |token| single.push(token.to_owned()));
        for &size in &self.ngrams {
            single.windows(size.max(1)).for_each(|tokens| found(&tokens.join(" ")));
        }
    }

    fn single<S: AsRef<str>>(&self, document: &[S], mut found: impl FnMut(&str)) {
        let mut standard = String::new();
        for text in document {
            let mut text = text.as_ref();
            if self.lower || self.strip {
                standard.clear();
                let kept = text.chars().filter(|c| !(self.strip && c.is_ascii_punctuation()));
                standard.extend(kept.map(|c| if self.lower { c.to_ascii_lowercase() } else { c }));
                text = &standard;
            }
            match self.split {
                Split::Nowhere => found(text),
                Split::Whitespace => text.split(is_space).filter(|token| !token.is_empty()).for_each(&mut found),
                Split::Characters => {
                    let mut bytes = [0; 4];
                    text.chars().for_each(|c| found(c.encode_utf8(&mut bytes)));
                }
            }
        }
    }
}

/// How often a token was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    times: u64,
    /// In how many documents, and in which one last, counted from 1.
    documents: u64,
    last: u64,
}

/// How often tokens were seen.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    counts: HashMap<String, Seen>,
    /// Documents seen.
    pub documents: u64,
}

impl Counter {
    /// Counts the tokens of a document.
    pub fn add<S: AsRef<str>>(&mut self, tokenizer: &Tokenizer, document: &[S]) {
        self.documents += 1;
        tokenizer.tokens(document, |token| {
            let seen = match self.counts.get_mut(token) {
                Some(seen) => seen,
                None => self.counts.entry(token.to_owned()).or_default(),
            };
            seen.times += 1;
            seen.documents += u64::from(seen.last < self.documents);
            seen.last = self.documents;
        });
    }

    /// The tokens, the most frequent first and of equally frequent ones the greatest, with their numbers of documents.
    pub fn sorted(&self) -> Vec<(String, u64)> {
        let mut all: Vec<_> = self.counts.iter().collect();
        all.sort_unstable_by(|(a, m), (b, n)| (n.times, b).cmp(&(m.times, a)));
        all.into_iter().map(|(token, seen)| (token.clone(), seen.documents)).collect()
    }
}

/// The numbers of tokens.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    numbers: HashMap<String, i64>,
    /// The number of a token that it lacks.
    unknown: i64,
}

impl Vocabulary {
    /// Tokens numbered one after the other.
    pub fn new(tokens: Vec<String>, first: i64, unknown: i64) -> Self {
        Vocabulary { numbers: tokens.into_iter().zip(first..).collect(), unknown }
    }

    /// The token's number.
    pub fn number(&self, token: &str) -> i64 {
        self.numbers.get(token).copied().unwrap_or(self.unknown)
    }

    /// The numbers of each document's tokens, the empty one's being 0, in rows of `length` or of the longest document's
    /// number of tokens: cut off at the end, filled up with 0. Also says how long a row is.
    pub fn numbers<S: AsRef<str>>(
        &self,
        tokenizer: &Tokenizer,
        documents: &[&[S]],
        length: Option<usize>,
    ) -> (Vec<i64>, usize) {
        let (mut found, mut ends) = (Vec::new(), Vec::with_capacity(documents.len()));
        for document in documents {
            tokenizer.tokens(document, |token| found.push(if token.is_empty() { 0 } else { self.number(token) }));
            ends.push(found.len());
        }
        let starts = || std::iter::once(0).chain(ends.iter().copied());
        let length = length.unwrap_or_else(|| starts().zip(&ends).map(|(start, end)| end - start).max().unwrap_or(0));
        let mut rows = vec![0; documents.len() * length];
        for (row, (start, &end)) in rows.chunks_exact_mut(length.max(1)).zip(starts().zip(&ends)) {
            let kept = (end - start).min(length);
            row[..kept].copy_from_slice(&found[start..start + kept]);
        }
        (rows, length)
    }

    /// How often each number stands among those of each document's tokens, in rows of `depth`; the empty token counts
    /// nowhere.
    pub fn counts<S: AsRef<str>>(&self, tokenizer: &Tokenizer, documents: &[&[S]], depth: usize) -> Vec<i64> {
        let mut rows = vec![0; documents.len() * depth];
        for (row, document) in rows.chunks_exact_mut(depth.max(1)).zip(documents) {
            tokenizer.tokens(document, |token| {
                if !token.is_empty()
                    && let Some(count) = usize::try_from(self.number(token)).ok().and_then(|number| row.get_mut(number))
                {
                    *count += 1;
                }
            });
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Split, Tokenizer, Vocabulary};

    fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        tokenizer.tokens(&[text], |token| found.push(token.to_owned()));
        found
    }

    #[test]
    fn texts_are_cut_as_keras_does() {
        let words = Tokenizer { lower: true, strip: true, split: Split::Whitespace, ngrams: Vec::new() };
        // Only ASCII is lowered, and only ASCII whitespace separates.
        assert_eq!(tokens(&words, " It's \u{b} A-B!\tÉCO\u{a0}X "), ["its", "ab", "Éco\u{a0}x"]);
        let characters = Tokenizer { split: Split::Characters, ..words.clone() };
        assert_eq!(tokens(&characters, "Aé ."), ["a", "é", " "]);
        let pairs = Tokenizer { ngrams: vec![3, 2], ..words };
        assert_eq!(tokens(&pairs, "a b c"), ["a b c", "a b", "b c"]);
        assert!(tokens(&pairs, "a").is_empty());
        assert_eq!(tokens(&Tokenizer::default(), "A b."), ["A b."]);
    }

    #[test]
    fn counted_and_numbered() {
        let words = Tokenizer { split: Split::Whitespace, ..Tokenizer::default() };
        let mut counter = Counter::default();
        for text in ["b a a", "c a b", ""] {
            counter.add(&words, &[text]);
        }
        assert_eq!(counter.sorted(), [("a".to_owned(), 2), ("b".to_owned(), 2), ("c".to_owned(), 1)]);
        assert_eq!(counter.documents, 3);
        let vocabulary = Vocabulary::new(vec!["a".to_owned(), "b".to_owned()], 2, 1);
        let documents: [&[&str]; 3] = [&["a x b"], &[""], &["b"]];
        assert_eq!(vocabulary.numbers(&words, &documents, None), (vec![2, 1, 3, 0, 0, 0, 3, 0, 0], 3));
        assert_eq!(vocabulary.numbers(&words, &documents, Some(1)), (vec![2, 0, 3], 1));
        assert_eq!(vocabulary.numbers(&words, &documents, Some(0)), (vec![], 0));
        assert_eq!(vocabulary.counts(&words, &documents, 4), [0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
