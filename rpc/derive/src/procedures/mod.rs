//! `procedures!`: rows of a program's table.

mod emit;
mod parse;

pub use emit::expand;

use syn::{Expr, Field, Ident, LitInt, LitStr};

/// Everything in one invocation.
pub struct Rows {
    program: Ident,
    prefix: LitStr,
    rows: Vec<Row>,
}

/// One procedure.
struct Row {
    number: LitInt,
    /// The name after the prefix.
    name: Ident,
    /// The unit type.
    ident: Ident,
    body: Body,
}

enum Body {
    Call(Box<Call>),
    Event { fields: Vec<Field> },
}

struct Call {
    api: Option<LitStr>,
    high: bool,
    connection: Ident,
    pre_auth: bool,
    readonly: ReadOnly,
    acl: Vec<Rule>,
    filter: Vec<Rule>,
    /// `read` or `write`.
    stream: Option<Ident>,
    sparse: Option<Expr>,
    args: Vec<Field>,
    ret: Vec<Field>,
}

enum ReadOnly {
    Allow,
    Deny,
    DenyIf(Box<Condition>),
}

struct Rule {
    object: Ident,
    permission: Ident,
    condition: Option<Condition>,
}

enum Condition {
    Flags { which: Ident, bits: Expr },
    Parameter { name: Ident, equals: Expr },
}
