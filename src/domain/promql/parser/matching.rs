//! How the series of two vectors find each other: `on (…) group_left (…)`.

use super::expr::{Cardinality, Matching};
use super::{Parsed, Parser, Token};
use crate::domain::promql::PromQlError;
use crate::domain::selector_parser::is_label_name;

impl Parser<'_> {
    /// What may stand behind a binary operator.
    pub(super) fn matching(&mut self) -> Parsed<Option<Matching>> {
        let is_on = self.is_word("on");
        if !is_on && !self.is_word("ignoring") {
            return Ok(None);
        }
        self.advance();
        let labels = self.labels()?;
        let cardinality = if self.is_word("group_left") {
            Cardinality::ManyToOne
        } else if self.is_word("group_right") {
            Cardinality::OneToMany
        } else {
            Cardinality::OneToOne
        };
        let mut include = Vec::new();
        if cardinality != Cardinality::OneToOne {
            self.advance();
            let start = self.place().start;
            if self.is_sign("(") {
                include = self.labels()?;
            }
            if let Some(twice) = include.iter().find(|label| is_on && labels.contains(label)) {
                let message = format!("label \"{twice}\" must not occur in ON and GROUP clause at once");
                return Err(PromQlError::new(start, message));
            }
        }
        Ok(Some(Matching {
            is_on,
            labels,
            cardinality,
            include,
        }))
    }

    /// Names of labels in parentheses.
    pub(super) fn labels(&mut self) -> Parsed<Vec<String>> {
        self.expect_sign("(", "( with the names of labels")?;
        let mut labels = Vec::new();
        while !self.take_sign(")") {
            match self.peek().clone() {
                Token::Word(word) if is_label_name(word) && !is_number(word) => labels.push(word.to_owned()),
                Token::Text(text) if !text.is_empty() => labels.push(text),
                _ => return Err(self.unexpected("a label's name or )")),
            }
            self.advance();
            if !self.is_sign(")") {
                self.expect_sign(",", "a comma or )")?;
            }
        }
        Ok(labels)
    }
}

fn is_number(word: &str) -> bool {
    ["inf", "nan"].iter().any(|number| number.eq_ignore_ascii_case(word))
}
