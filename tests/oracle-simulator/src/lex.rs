//! Tokens ("SQL Language Reference", "Lexical Conventions", "Literals", "Database Object Names and Qualifiers").

use crate::error::{Result, fail};

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A keyword or an unquoted name, in upper case.
    Word(String),
    /// A name in double quotes, exact.
    Quoted(String),
    /// A text literal.
    Text(String),
    /// A number.
    Number(String),
    /// A bind variable, without its colon.
    Bind(String),
    /// Everything else.
    Symbol(&'static str),
    /// The end.
    End,
}

const SYMBOLS: [&str; 30] = [
    ":=", "=>", "||", "<>", "!=", "^=", "<=", ">=", "..", "<<", ">>", "**", "(", ")", ",", ".", ";", "=", "<", ">",
    "+", "-", "*", "/", "%", "@", "[", "]", "?", "|",
];

/// Takes a statement apart.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut rest = Rest(text);
    let mut found = Vec::new();
    loop {
        rest.skip_blanks()?;
        let Some(first) = rest.0.chars().next() else { break };
        found.push(match first {
            '"' => rest.quoted()?,
            '\'' => rest.text()?,
            'q' | 'Q' if rest.0.chars().nth(1) == Some('\'') => rest.other_quotes()?,
            'n' | 'N' if rest.0.chars().nth(1) == Some('\'') => {
                rest.take(1);
                rest.text()?
            }
            ':' if !rest.0.starts_with(":=") => {
                rest.take(1);
                let name = rest.take_while(is_part);
                if name.is_empty() {
                    return fail(1745, "invalid host/bind variable name");
                }
                Token::Bind(name.to_uppercase())
            }
            c if c.is_ascii_digit() => Token::Number(rest.take_while(|c| c.is_ascii_digit())),
            c if c.is_alphabetic() => Token::Word(rest.take_while(is_part).to_uppercase()),
            _ => match SYMBOLS.iter().find(|symbol| rest.0.starts_with(**symbol)) {
                Some(symbol) => {
                    rest.take(symbol.len());
                    Token::Symbol(symbol)
                }
                None => return fail(911, "invalid character"),
            },
        });
    }
    found.push(Token::End);
    Ok(found)
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#')
}

struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.0.split_at_checked(bytes).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        self.take(end).to_owned()
    }

    /// Up to an end mark, which is taken too.
    fn up_to(&mut self, end: &str) -> Option<&'a str> {
        let (taken, rest) = self.0.split_once(end)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            self.0 = self.0.trim_start();
            if self.0.starts_with("--") {
                let end = self.0.find('\n').unwrap_or(self.0.len());
                self.take(end);
            } else if self.0.starts_with("/*") {
                self.take(2);
                if self.up_to("*/").is_none() {
                    return fail(1742, "comment not terminated properly");
                }
            } else {
                return Ok(());
            }
        }
    }

    /// A double quote ends the name; there is no way to have one inside ("Database Object Naming Rules": quoted identifiers
    /// can contain any characters but double quotation marks and the null character).
    fn quoted(&mut self) -> Result<Token> {
        self.take(1);
        match self.up_to("\"") {
            Some("") => fail(1741, "illegal zero-length identifier"),
            Some(name) if name.contains('\0') => fail(911, "invalid character"),
            Some(name) => Ok(Token::Quoted(name.to_owned())),
            None => fail(1740, "missing double quote in identifier"),
        }
    }

    /// Two single quotes are one ("Text Literals").
    fn text(&mut self) -> Result<Token> {
        self.take(1);
        let mut text = String::new();
        loop {
            let Some(part) = self.up_to("'") else { return fail(1756, "quoted string not properly terminated") };
            text.push_str(part);
            if !self.0.starts_with('\'') {
                return Ok(Token::Text(text));
            }
            self.take(1);
            text.push('\'');
        }
    }

    /// `q'[...]'`.
    fn other_quotes(&mut self) -> Result<Token> {
        self.take(2);
        let Some(open) = self.0.chars().next() else { return fail(1756, "quoted string not properly terminated") };
        self.take(open.len_utf8());
        let close = match open {
            '[' => ']',
            '(' => ')',
            '{' => '}',
            '<' => '>',
            other => other,
        };
        match self.up_to(&format!("{close}'")) {
            Some(text) => Ok(Token::Text(text.to_owned())),
            None => fail(1756, "quoted string not properly terminated"),
        }
    }
}
