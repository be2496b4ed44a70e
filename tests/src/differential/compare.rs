//! What two daemons' answers have in common, and the name of what they have not.

use std::collections::BTreeSet;

use super::argv::{Word, words};
use super::side::Answer;

/// A difference; two with the same cause mean the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Which question it is an answer to: `define`, `xml`, `plain xml`, `native`, `argv`.
    pub question: &'static str,
    /// Its cause with everything that varies taken out.
    pub cause: String,
    /// How it looks in this guest.
    pub shown: String,
}

/// The verdict on one guest.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Where they differ.
    pub differences: Vec<Difference>,
    /// Both refuse, with other sentences: question, the stock one's sentence, ours.
    pub sentences: Vec<(&'static str, String, String)>,
    /// Whether the stock daemon takes it.
    pub accepted: bool,
}

/// Compares the answers.
pub fn compare(stock: &Answer, ours: &Answer) -> Verdict {
    let mut verdict = Verdict {
        accepted: stock.xml.is_ok(),
        ..Verdict::default()
    };
    match (&stock.xml, &ours.xml) {
        (Ok(stock_xml), Ok(ours_xml)) => {
            if closed(stock_xml) != closed(ours_xml) {
                verdict.differences.push(lines("xml", stock_xml, ours_xml));
            } else {
                let text = |side: &Answer| side.plain.clone().unwrap_or_default();
                let (stock, ours) = (text(stock), text(ours));
                if closed(&stock) != closed(&ours) {
                    verdict.differences.push(lines("plain xml", &stock, &ours));
                }
            }
        }
        (Err(stock), Err(ours)) => said(&mut verdict, "define", stock, ours),
        (stock, ours) => verdict.differences.push(one_refuses("define", stock, ours)),
    }
    match (&stock.native, &ours.native) {
        (Ok(stock_line), Ok(ours_line)) => {
            let (stock, ours) = (words(stock_line), words(ours_line));
            if stock != ours {
                verdict.differences.push(options(&stock, &ours));
            }
        }
        (Err(stock), Err(ours)) => said(&mut verdict, "native", stock, ours),
        (stock, ours) => {
            let found = one_refuses("native", stock, ours);
            // Said once is enough.
            if !verdict
                .differences
                .iter()
                .any(|known| known.cause == found.cause)
            {
                verdict.differences.push(found);
            }
        }
    }
    verdict
}

fn said(verdict: &mut Verdict, question: &'static str, stock: &str, ours: &str) {
    // Ours may go on with the place and what is allowed there.
    if !ours.starts_with(stock) {
        verdict
            .sentences
            .push((question, stock.to_owned(), ours.to_owned()));
    }
}

fn one_refuses(
    question: &'static str,
    stock: &Result<String, String>,
    ours: &Result<String, String>,
) -> Difference {
    let (who, message) = match (stock, ours) {
        (Err(message), _) => ("only stock refuses", message),
        (_, Err(message)) => ("only ours refuses", message),
        (Ok(_), Ok(_)) => ("both accept", &String::new()),
    };
    Difference {
        question,
        cause: format!("{who}: {}", anonymous(message)),
        shown: format!("{who}: {message}"),
    }
}

/// The lines of a text; an element that holds nothing is one however it is written.
fn closed(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let opened = lines.last().and_then(|last| last.trim().strip_prefix('<'));
        let name = opened.and_then(|rest| rest.split([' ', '>']).next());
        let ends = name.is_some_and(|name| line.trim() == format!("</{name}>"));
        match lines.last_mut() {
            Some(last) if ends && !last.ends_with("/>") && last.ends_with('>') => {
                last.truncate(last.len() - 1);
                last.push_str("/>");
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// Two texts by their lines.
fn lines(question: &'static str, stock: &str, ours: &str) -> Difference {
    let (stock, ours) = (closed(stock), closed(ours));
    let pairs = stock.iter().zip(&ours);
    let head = pairs.take_while(|(one, other)| one == other).count();
    let pairs = stock[head..].iter().rev().zip(ours[head..].iter().rev());
    let tail = pairs.take_while(|(one, other)| one == other).count();
    let within = |of: &[String]| of[head..of.len() - tail].to_vec();
    let (stock, ours): (Vec<String>, Vec<String>) = (within(&stock), within(&ours));
    changed(question, &stock, &ours)
}

/// Options in their order.
fn options(stock: &[Word], ours: &[Word]) -> Difference {
    let written = |words: &[Word]| -> Vec<String> {
        words
            .iter()
            .map(|word| {
                let parts = word
                    .parts
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"));
                format!("{} {}", word.option, parts.collect::<Vec<_>>().join(" "))
            })
            .collect()
    };
    changed("argv", &written(stock), &written(ours))
}

fn changed(question: &'static str, stock: &[String], ours: &[String]) -> Difference {
    let lacking: Vec<_> = stock.iter().filter(|line| !ours.contains(line)).collect();
    let added: Vec<_> = ours.iter().filter(|line| !stock.contains(line)).collect();
    let mut causes = BTreeSet::new();
    let mut shown = String::new();
    // A line of each that begins alike is one line changed: only the words that differ count.
    let mut left = added.clone();
    for line in &lacking {
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let pair = left.iter().position(|other| first(other) == first(line));
        match pair.map(|at| left.remove(at)) {
            Some(other) => {
                let one: BTreeSet<_> = line.split_whitespace().collect();
                let two: BTreeSet<_> = other.split_whitespace().collect();
                let gone = one.difference(&two).map(|word| format!("-{word}"));
                let come = two.difference(&one).map(|word| format!("+{word}"));
                let words = gone.chain(come).map(|word| anonymous(&word));
                let words: BTreeSet<_> = words.collect();
                let words = words.into_iter().collect::<Vec<_>>().join(" ");
                causes.insert(format!("{} {words}", first(line).unwrap_or_default()));
            }
            None => {
                causes.insert(format!("-{}", anonymous(line.trim())));
            }
        }
    }
    for line in left {
        causes.insert(format!("+{}", anonymous(line.trim())));
    }
    for line in &lacking {
        shown += &format!("- {line}\n");
    }
    for line in &added {
        shown += &format!("+ {line}\n");
    }
    if causes.is_empty() {
        causes.insert("the order".to_owned());
        shown = format!("- {}\n+ {}\n", stock.join("\n- "), ours.join("\n+ "));
    }
    let causes: Vec<_> = causes.into_iter().take(4).collect();
    Difference {
        question,
        cause: causes.join(" | "),
        shown,
    }
}

/// A sentence or line without numbers and paths.
pub fn anonymous(text: &str) -> String {
    let mut out = String::new();
    let mut number = false;
    for c in text.chars() {
        if c.is_ascii_digit() {
            if !number {
                out.push('N');
            }
            number = true;
        } else {
            number = false;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(xml: &str, native: &str) -> Answer {
        Answer {
            native: Ok(native.to_owned()),
            xml: Ok(xml.to_owned()),
            plain: None,
        }
    }

    #[test]
    fn equal_answers_have_no_difference() {
        let one = answer("<a>\n  <b c='1'/>\n</a>", "q -m 1");
        assert!(compare(&one, &one).differences.is_empty());
    }

    #[test]
    fn the_cause_is_what_changed_without_its_numbers() {
        let stock = answer("<a>\n  <b c='1' d='2'/>\n</a>", "q -m 1 -n 2");
        let ours = answer("<a>\n  <b c='7' d='2'/>\n</a>", "q -m 1 -n 3");
        let found = compare(&stock, &ours).differences;
        let causes: Vec<_> = found
            .iter()
            .map(|d| (d.question, d.cause.as_str()))
            .collect();
        assert_eq!(
            causes,
            [("xml", "<b +c='N' -c='N'"), ("argv", "-n +#N=N; -#N=N;")]
        );
    }

    #[test]
    fn a_refusal_of_one_is_a_difference_of_both_another_sentence() {
        let refuses = |text: &str| Answer {
            native: Err(text.to_owned()),
            xml: Err(text.to_owned()),
            plain: None,
        };
        let found = compare(&refuses("no 'x'"), &answer("<a/>", "q"));
        assert_eq!(found.differences.len(), 1);
        let both = compare(&refuses("no"), &refuses("no, because"));
        assert!(both.differences.is_empty() && both.sentences.is_empty());
        assert_eq!(
            compare(&refuses("no"), &refuses("never")).sentences.len(),
            2
        );
    }
}
