//! Builds the tree: operators by how strongly they bind, and what stands between them.

mod call;
mod matching;
mod selector;

use super::check::check;
use super::display::is_operand_keyword;
use super::expr::{BinaryOp, Expr, ExprKind, Place};
use super::functions::Aggregator;
use super::lexer::{Lexeme, Token, lex};
use super::{PromQlError, excerpt, expr};

/// The longest expression, in bytes.
const TEXT_MAX: usize = 64 * 1024;
/// How deeply parentheses, calls and signs may be nested.
const DEPTH_MAX: usize = 100;
/// How many binary operators an expression may have; a chain of them is a tree as high.
const OPERATORS_MAX: usize = 400;
/// How strongly signs before an expression bind: only `^` binds more.
const UNARY_LEVEL: u8 = 6;

/// Parses an expression and checks its types; ranges may be the template `{{.window}}`.
pub fn parse(text: &str) -> Result<Expr, PromQlError> {
    if text.len() > TEXT_MAX {
        let message = format!("the expression is longer than {TEXT_MAX} bytes");
        return Err(PromQlError::new(0, message));
    }
    let mut parser = Parser {
        text,
        lexemes: lex(text),
        next: 0,
        depth: 0,
        operators: 0,
    };
    if *parser.peek() == Token::End {
        return Err(PromQlError::new(0, "no expression found; the query is empty"));
    }
    let expr = parser.expression(0)?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    check(&expr)?;
    Ok(expr)
}

type Parsed<T> = Result<T, PromQlError>;

struct Parser<'a> {
    text: &'a str,
    lexemes: Vec<Lexeme<'a>>,
    next: usize,
    depth: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    /// The next token; the last one is never passed.
    fn peek(&self) -> &Token<'a> {
        self.lexemes.get(self.next).map_or(&Token::End, |found| &found.token)
    }

    fn place(&self) -> Place {
        self.lexemes
            .get(self.next)
            .map_or(Place::default(), |found| found.place)
    }

    /// Where the token before the next one ends.
    fn end(&self) -> usize {
        let before = self.next.checked_sub(1).and_then(|at| self.lexemes.get(at));
        before.map_or(0, |found| found.place.end)
    }

    fn advance(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.lexemes.len().saturating_sub(1));
        token
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.advance();
        }
        found
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let found = self.is_word(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expect_sign(&mut self, sign: &str, expected: &str) -> Parsed<()> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    /// The next token does not fit.
    fn unexpected(&self, expected: &str) -> PromQlError {
        let place = self.place();
        let found = match self.peek() {
            Token::Bad { message, hint } => {
                return PromQlError {
                    at: place.end,
                    message: message.clone(),
                    hint: hint.clone(),
                };
            }
            Token::End => {
                let message = format!("the expression ends where {expected} is expected");
                return PromQlError::new(place.start, message);
            }
            Token::Template => {
                let message = format!("{} stands for a duration; here {expected} is expected", super::TEMPLATE);
                return PromQlError::new(place.start, message)
                    .with_hint("write it where a range is: rate(x[{{.window}}])");
            }
            _ => {
                let written = self.text.get(place.start..place.end).unwrap_or_default();
                format!("`{}`", excerpt(written))
            }
        };
        PromQlError::new(place.start, format!("unexpected {found}; expected {expected}"))
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} deep");
            return Err(PromQlError::new(self.place().start, message));
        }
        Ok(())
    }

    /// An expression of operators that bind at least as strongly as this level.
    fn expression(&mut self, level: u8) -> Parsed<Expr> {
        self.enter()?;
        let mut left = self.operand()?;
        while let Some((op, binds)) = self.peek_operator().filter(|(_, binds)| *binds >= level) {
            let op_place = self.place();
            self.advance();
            self.operators += 1;
            if self.operators > OPERATORS_MAX {
                let message = format!("more than {OPERATORS_MAX} operators");
                return Err(PromQlError::new(op_place.start, message));
            }
            let is_bool = self.take_word("bool");
            let matching = self.matching()?;
            // Of `a ^ b ^ c` the right one comes first, of all others the left one.
            let right = self.expression(if op == BinaryOp::Power { binds } else { binds + 1 })?;
            left = Expr {
                place: left.place.to(right.place),
                kind: ExprKind::Binary {
                    op,
                    op_place,
                    is_bool,
                    matching,
                    left: Box::new(left),
                    right: Box::new(right),
                },
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn peek_operator(&self) -> Option<(BinaryOp, u8)> {
        let written = match self.peek() {
            Token::Sign(sign) => *sign,
            Token::Word(word) => *word,
            _ => return None,
        };
        let found = BinaryOp::ALL
            .iter()
            .find(|(_, symbol, _)| symbol.eq_ignore_ascii_case(written));
        found.map(|(op, _, binds)| (*op, *binds))
    }

    /// What stands between operators, with the ranges and modifiers behind it.
    fn operand(&mut self) -> Parsed<Expr> {
        let start = self.place().start;
        let kind = match self.peek().clone() {
            Token::Sign(sign @ ("+" | "-")) => {
                self.advance();
                let inner = self.expression(UNARY_LEVEL)?;
                // A range or modifier behind it belongs to what is signed.
                return Ok(Expr {
                    place: Place {
                        start,
                        end: inner.place.end,
                    },
                    kind: ExprKind::Unary {
                        is_minus: sign == "-",
                        expr: Box::new(inner),
                    },
                });
            }
            Token::Sign("(") => {
                self.advance();
                let inner = self.expression(0)?;
                self.expect_sign(")", "an operator or )")?;
                ExprKind::Paren(Box::new(inner))
            }
            Token::Sign("{") => self.selector(None)?,
            Token::Number(number) => {
                self.advance();
                ExprKind::Number(number)
            }
            Token::Duration(length) => {
                self.advance();
                ExprKind::Number(length as f64 / 1e3)
            }
            Token::Text(text) => {
                self.advance();
                ExprKind::Text(text)
            }
            Token::Word(word) => self.named(word)?,
            _ => return Err(self.unexpected("an expression")),
        };
        let place = Place { start, end: self.end() };
        self.behind(Expr { kind, place })
    }

    /// What begins with a name: a number, an aggregation, a call or a selector.
    fn named(&mut self, word: &str) -> Parsed<ExprKind> {
        let start = self.place().start;
        match word.to_ascii_lowercase().as_str() {
            "inf" => {
                self.advance();
                return Ok(ExprKind::Number(f64::INFINITY));
            }
            "nan" => {
                self.advance();
                return Ok(ExprKind::Number(f64::NAN));
            }
            _ if is_operand_keyword(word) => {
                let message = format!("`{word}` is a keyword and cannot begin an expression");
                return Err(PromQlError::new(start, message));
            }
            _ => {}
        }
        self.advance();
        let is_grouped = self.is_word("by") || self.is_word("without");
        match Aggregator::named(word) {
            Some(op) if is_grouped || self.is_sign("(") => self.aggregation(op, start),
            None if self.is_sign("(") => self.call(word, start),
            _ => self.selector(Some(word)),
        }
    }
}
