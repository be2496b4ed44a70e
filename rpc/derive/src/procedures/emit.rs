//! The items a row stands for.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Field, Ident};

use super::{Body, Call, Condition, ReadOnly, Row, Rows, Rule};

/// All items of an invocation, its `ROWS` and its `visit`.
pub fn expand(input: &Rows) -> TokenStream {
    let items = input.rows.iter().map(|row| match &row.body {
        Body::Call(call) => expand_call(input, row, call),
        Body::Event { fields } => expand_event(input, row, fields),
    });
    let rows = input.rows.iter().map(|row| {
        let ident = &row.ident;
        match row.body {
            Body::Call(_) => quote!(<#ident as ::virt_rpc::protocol::Procedure>::ROW),
            Body::Event { .. } => quote!(<#ident as ::virt_rpc::protocol::EventMessage>::ROW),
        }
    });
    let visits = input.rows.iter().map(|row| {
        let ident = &row.ident;
        match row.body {
            Body::Call(_) => quote!(visitor.call::<#ident>()),
            Body::Event { .. } => quote!(visitor.event::<#ident>()),
        }
    });
    quote! {
        #(#items)*

        /// The rows declared here.
        pub(in crate::protocol) const ROWS: &[&::virt_rpc::protocol::Row] = &[#(#rows),*];

        /// Shows every procedure's type to `visitor`.
        pub(in crate::protocol) fn visit<V: ::virt_rpc::protocol::Visitor + ?Sized>(
            visitor: &mut V,
        ) {
            #(#visits;)*
        }
    }
}

fn expand_call(input: &Rows, row: &Row, call: &Call) -> TokenStream {
    let ident = &row.ident;
    let (args, args_item) = message(ident, "Args", &call.args);
    let (ret, ret_item) = message(ident, "Ret", &call.ret);
    let (unit, fixed) = unit(input, row, call.api.as_ref().map(syn::LitStr::value));
    let api = match &call.api {
        Some(api) => quote!(Some(#api)),
        None => quote!(None),
    };
    let priority = if call.high { quote!(High) } else { quote!(Low) };
    let connection = camel(&call.connection);
    let pre_auth = call.pre_auth;
    let readonly = match &call.readonly {
        ReadOnly::Allow => quote!(Allow),
        ReadOnly::Deny => quote!(Deny),
        ReadOnly::DenyIf(condition) => {
            let condition = expand_condition(condition);
            quote!(DenyIf(#condition))
        }
    };
    let (acl, filter) = (expand_rules(&call.acl), expand_rules(&call.filter));
    let stream = match &call.stream {
        Some(direction) => {
            let direction = camel(direction);
            quote!(Some(::virt_rpc::protocol::StreamDirection::#direction))
        }
        None => quote!(None),
    };
    let sparse = match &call.sparse {
        Some(bit) => quote!(Some(#bit)),
        None => quote!(None),
    };
    let readers = readers(call);
    quote! {
        #unit #args_item #ret_item
        impl ::virt_rpc::protocol::Procedure for #ident {
            const ROW: &'static ::virt_rpc::protocol::Row = &::virt_rpc::protocol::Row {
                #fixed
                api: #api,
                kind: ::virt_rpc::protocol::RowKind::Call,
                priority: ::virt_rpc::protocol::Priority::#priority,
                stream: #stream,
                sparse_flag: #sparse,
                pre_auth: #pre_auth,
                readonly: ::virt_rpc::protocol::ReadOnlyRule::#readonly,
                acl: #acl,
                acl_filter: #filter,
                conn: ::virt_rpc::protocol::Connection::#connection,
                args: <#args as ::virt_rpc::xdr::Described>::SHAPE,
                ret: <#ret as ::virt_rpc::xdr::Described>::SHAPE,
            };
            type Args = #args;
            type Ret = #ret;
            #readers
        }
    }
}

fn expand_event(input: &Rows, row: &Row, fields: &[Field]) -> TokenStream {
    let ident = &row.ident;
    let (msg, item) = message(ident, "Msg", fields);
    let (unit, fixed) = unit(input, row, None);
    quote! {
        #unit #item
        impl ::virt_rpc::protocol::EventMessage for #ident {
            const ROW: &'static ::virt_rpc::protocol::Row = &::virt_rpc::protocol::Row {
                #fixed
                args: <#msg as ::virt_rpc::xdr::Described>::SHAPE,
                ..::virt_rpc::protocol::Row::EVENT
            };
            type Msg = #msg;
        }
    }
}

/// The unit type, and the fields of its row that every kind has.
fn unit(input: &Rows, row: &Row, api: Option<String>) -> (TokenStream, TokenStream) {
    let (ident, number, program) = (&row.ident, &row.number, &input.program);
    let name = format!("{}{}", input.prefix.value(), row.name);
    let doc = match api {
        Some(api) => format!("`{api}`: {name}, {number}."),
        None => format!("{name}, {number}."),
    };
    (
        quote! {
            #[doc = #doc]
            #[derive(Debug, Clone, Copy)]
            pub struct #ident;
        },
        quote! {
            program: ::virt_rpc::protocol::Program::#program,
            number: #number,
            name: #name,
        },
    )
}

/// The structure of a message, and its type's name; no fields are the unit type.
fn message(ident: &Ident, suffix: &str, fields: &[Field]) -> (TokenStream, TokenStream) {
    if fields.is_empty() {
        return (quote!(()), quote!());
    }
    let name = format_ident!("{ident}{suffix}");
    let doc = match suffix {
        "Args" => format!("Arguments of [`{ident}`]."),
        "Ret" => format!("Reply of [`{ident}`]."),
        _ => format!("Content of [`{ident}`]."),
    };
    let item = quote! {
        #[doc = #doc]
        #[derive(Debug, Clone, PartialEq, ::virt_rpc::xdr::Xdr)]
        #[allow(missing_docs, non_snake_case, reason = "the protocol's own field names")]
        pub struct #name { #(#fields),* }
    };
    (quote!(#name), item)
}

fn expand_rules(rules: &[Rule]) -> TokenStream {
    let rules = rules.iter().map(|rule| {
        let (object, permission) = (camel(&rule.object), camel(&rule.permission));
        let condition = match &rule.condition {
            Some(condition) => {
                let condition = expand_condition(condition);
                quote!(Some(#condition))
            }
            None => quote!(None),
        };
        quote!(::virt_rpc::protocol::AclRule {
            object: ::virt_rpc::protocol::Object::#object,
            permission: ::virt_rpc::protocol::Permission::#permission,
            condition: #condition,
        })
    });
    quote!(&[#(#rules),*])
}

fn expand_condition(condition: &Condition) -> TokenStream {
    match condition {
        Condition::Flags { which, bits } => {
            let which = format_ident!("Flags{}", camel(which));
            quote!(::virt_rpc::protocol::Condition::#which(#bits))
        }
        Condition::Parameter { name, equals } => {
            let name = name.to_string();
            quote!(::virt_rpc::protocol::Condition::Parameter { name: #name, equals: #equals })
        }
    }
}

/// How the row's conditions read the arguments.
fn readers(call: &Call) -> TokenStream {
    let has = |name: &str| {
        let mut idents = call.args.iter().filter_map(|field| field.ident.as_ref());
        idents.any(|ident| ident == name)
    };
    let flags = has("flags").then(|| {
        quote! {
            fn flags(args: &Self::Args) -> Option<u64> { Some(u64::from(args.flags)) }
        }
    });
    let conditions = call.acl.iter().filter_map(|rule| rule.condition.as_ref());
    let conditions = conditions.chain(match &call.readonly {
        ReadOnly::DenyIf(condition) => Some(&**condition),
        _ => None,
    });
    let mut names: Vec<&Ident> = conditions
        .filter_map(|condition| match condition {
            Condition::Parameter { name, .. } => Some(name),
            Condition::Flags { .. } => None,
        })
        .collect();
    names.dedup();
    let parameter = (!names.is_empty()).then(|| {
        let texts = names.iter().map(ToString::to_string);
        quote! {
            fn parameter(args: &Self::Args, name: &str) -> Option<i64> {
                match name { #(#texts => Some(i64::from(args.#names)),)* _ => None }
            }
        }
    });
    quote!(#flags #parameter)
}

/// `storage_vol` to `StorageVol`.
fn camel(ident: &Ident) -> Ident {
    let text: String = ident
        .to_string()
        .split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            [first.to_uppercase(), rest.to_owned()]
        })
        .collect();
    Ident::new(&text, ident.span())
}
