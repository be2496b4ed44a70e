//! The grammar of a row.
//!
//! ```text
//! NUMBER NAME Type ["api"] high|low CONNECTION [pre_auth] allow|deny|deny(COND) [ACL,..]
//!     [filter [ACL,..]] [stream read|write] [sparse BIT] (ARGS) [-> (RET)];
//! event NUMBER NAME Type (FIELDS);
//! ACL:  object.permission [if COND]
//! COND: flags any|all|none BITS  or  parameter == VALUE
//! ```

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Field, Ident, LitInt, LitStr, Result, Token, bracketed, parenthesized};

use super::{Body, Call, Condition, ReadOnly, Row, Rows, Rule};

impl Parse for Rows {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        keyword(input, "program")?;
        let program = input.parse()?;
        let prefix = input.parse()?;
        input.parse::<Token![;]>()?;
        let mut rows = Vec::new();
        while !input.is_empty() {
            rows.push(input.parse()?);
        }
        Ok(Self {
            program,
            prefix,
            rows,
        })
    }
}

impl Parse for Row {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let event = take_keyword(input, "event")?;
        let number: LitInt = input.parse()?;
        let (name, ident) = (input.parse()?, input.parse()?);
        let body = if event {
            Body::Event {
                fields: fields(input)?,
            }
        } else {
            Body::Call(input.parse()?)
        };
        input.parse::<Token![;]>()?;
        Ok(Self {
            number,
            name,
            ident,
            body,
        })
    }
}

impl Parse for Call {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self {
            api: input.parse::<Option<LitStr>>()?,
            high: take_keyword(input, "high")? || {
                keyword(input, "low")?;
                false
            },
            connection: input.parse()?,
            pre_auth: take_keyword(input, "pre_auth")?,
            readonly: input.parse()?,
            acl: rules(input)?,
            filter: match take_keyword(input, "filter")? {
                true => rules(input)?,
                false => Vec::new(),
            },
            stream: match take_keyword(input, "stream")? {
                true => Some(input.parse()?),
                false => None,
            },
            sparse: match take_keyword(input, "sparse")? {
                true => Some(syn::Expr::Path(input.parse()?)),
                false => None,
            },
            args: fields(input)?,
            ret: match input.parse::<Option<Token![->]>>()? {
                Some(_) => fields(input)?,
                None => Vec::new(),
            },
        })
    }
}

impl Parse for ReadOnly {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if take_keyword(input, "allow")? {
            return Ok(Self::Allow);
        }
        keyword(input, "deny")?;
        if !input.peek(syn::token::Paren) {
            return Ok(Self::Deny);
        }
        let condition;
        parenthesized!(condition in input);
        condition.parse::<Token![if]>()?;
        Ok(Self::DenyIf(Box::new(condition.parse()?)))
    }
}

impl Parse for Rule {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let object = input.parse()?;
        input.parse::<Token![.]>()?;
        let permission = input.parse()?;
        let condition = match input.parse::<Option<Token![if]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self {
            object,
            permission,
            condition,
        })
    }
}

impl Parse for Condition {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if take_keyword(input, "flags")? {
            return Ok(Self::Flags {
                which: input.parse()?,
                bits: input.parse()?,
            });
        }
        let name = input.parse()?;
        input.parse::<Token![==]>()?;
        Ok(Self::Parameter {
            name,
            equals: input.parse()?,
        })
    }
}

fn rules(input: ParseStream<'_>) -> Result<Vec<Rule>> {
    let rules;
    bracketed!(rules in input);
    Ok(Punctuated::<Rule, Token![,]>::parse_terminated(&rules)?
        .into_iter()
        .collect())
}

fn fields(input: ParseStream<'_>) -> Result<Vec<Field>> {
    let fields;
    parenthesized!(fields in input);
    let fields = fields.parse_terminated(Field::parse_named, Token![,])?;
    Ok(fields
        .into_iter()
        .map(|field| Field {
            vis: syn::parse_quote!(pub),
            ..field
        })
        .collect())
}

fn take_keyword(input: ParseStream<'_>, word: &str) -> Result<bool> {
    let ahead = input.fork();
    match ahead.parse::<Ident>() {
        Ok(found) if found == word => {
            input.parse::<Ident>()?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn keyword(input: ParseStream<'_>, word: &str) -> Result<()> {
    if take_keyword(input, word)? {
        return Ok(());
    }
    Err(input.error(format!("expected `{word}`")))
}
