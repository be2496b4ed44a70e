//! The grammar: text in, `(line, key, value)` out.

use super::Value;

type Refusal = (usize, String);

/// All settings of a file in order; the first error ends them.
pub(super) fn entries(text: &str) -> impl Iterator<Item = Result<(usize, String, Value), Refusal>> {
    let mut input = Input {
        rest: text,
        line: 1,
    };
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        input.skip_blank_lines();
        if input.rest.is_empty() {
            return None;
        }
        let line = input.line;
        let entry = input.entry().map(|(key, value)| (line, key, value));
        failed = entry.is_err();
        Some(entry)
    })
}

struct Input<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Input<'a> {
    fn entry(&mut self) -> Result<(String, Value), Refusal> {
        let key = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if key.is_empty() {
            return self.refuse("a line starts with a key of letters, digits and '_'");
        }
        self.skip_spaces();
        if !self.eat("=") {
            return self.refuse(format!("'=' is missing after '{key}'"));
        }
        self.skip_spaces();
        let value = self.value(key)?;
        self.skip_spaces();
        self.skip_comment();
        if !self.rest.is_empty() && !self.rest.starts_with(['\n', '\r', ';']) {
            return self.refuse(format!("something follows the value of '{key}'"));
        }
        self.eat(";");
        Ok((key.to_owned(), value))
    }

    fn value(&mut self, key: &str) -> Result<Value, Refusal> {
        if self.eat("[") {
            return self.list(key);
        }
        if let Some(text) = self.quoted(key)? {
            return Ok(Value::Text(text));
        }
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '-' || c == '+');
        match digits.parse() {
            Ok(number) => Ok(Value::Integer(number)),
            Err(_) => self.refuse(format!(
                "the value of '{key}' is a number, a text in quotes, or a list in brackets"
            )),
        }
    }

    fn list(&mut self, key: &str) -> Result<Value, Refusal> {
        let mut list = Vec::new();
        loop {
            self.skip_blank_lines();
            if self.eat("]") {
                return Ok(Value::List(list));
            }
            match self.quoted(key)? {
                Some(text) => list.push(text),
                None => return self.refuse(format!("the list of '{key}' holds texts in quotes")),
            }
            self.skip_blank_lines();
            if !self.eat(",") && !self.rest.starts_with(']') {
                return self.refuse(format!("',' or ']' is missing in the list of '{key}'"));
            }
        }
    }

    fn quoted(&mut self, key: &str) -> Result<Option<String>, Refusal> {
        let (quote, lines) = match self.rest {
            r if r.starts_with("\"\"\"") => ("\"\"\"", true),
            r if r.starts_with('"') => ("\"", false),
            r if r.starts_with('\'') => ("'", false),
            _ => return Ok(None),
        };
        let body = &self.rest[quote.len()..];
        let end = body
            .find(quote)
            .filter(|end| lines || !body[..*end].contains('\n'));
        match end {
            None => self.refuse(format!("the closing quote of '{key}' is missing")),
            Some(end) => {
                let text = &body[..end];
                self.line += text.matches('\n').count();
                self.rest = &body[end + quote.len()..];
                Ok(Some(text.to_owned()))
            }
        }
    }

    fn skip_blank_lines(&mut self) {
        loop {
            self.skip_spaces();
            self.skip_comment();
            if self.eat("\n") {
                self.line += 1;
            } else if !self.eat("\r") {
                return;
            }
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn skip_comment(&mut self) {
        if self.rest.starts_with('#') {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
    }

    fn eat(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn refuse<T>(&self, reason: impl Into<String>) -> Result<T, Refusal> {
        Err((self.line, reason.into()))
    }
}
