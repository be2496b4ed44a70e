//! Characters that XML gives a meaning of its own.

/// Appends `text` with markup characters replaced, both kinds of quotes included, as libvirt does
/// in attributes and text alike.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    push_with(out, text, |c| match c {
        '\'' => Some("&apos;"),
        '"' => Some("&quot;"),
        _ => None,
    });
}

/// Appends the value of an attribute that stands in double quotes, as kept trees are written.
pub(crate) fn push_double_quoted(out: &mut String, text: &str) {
    push_with(out, text, |c| (c == '"').then_some("&quot;"));
}

/// Appends text of a kept tree: quotes stay.
pub(crate) fn push_text(out: &mut String, text: &str) {
    push_with(out, text, |_| None);
}

fn push_with(out: &mut String, text: &str, quote: impl Fn(char) -> Option<&'static str>) {
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '&', '\'', '"', '\r']) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        // `find` gave the place of one of the characters above, each one byte long.
        let (special, after) = special.split_at(1);
        out.push_str(match special {
            "<" => "&lt;",
            ">" => "&gt;",
            "&" => "&amp;",
            "\r" => "&#13;",
            other => other.chars().next().and_then(&quote).unwrap_or(other),
        });
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_depend_on_the_place() {
        let text = "a<'b'>&\"c\"";
        let mut out = String::new();
        push_escaped(&mut out, text);
        assert_eq!(out, "a&lt;&apos;b&apos;&gt;&amp;&quot;c&quot;");
        out.clear();
        push_text(&mut out, text);
        assert_eq!(out, "a&lt;'b'&gt;&amp;\"c\"");
    }
}
