//! What can be said of polkit's rules without running them: names that libvirt does not have. polkit
//! itself passes over a rule that asks for a wrong name without a word.

use std::path::Path;

use crate::cedar::{Place, Problem};
use crate::kinds::{DRIVER_KEY, KINDS};
use crate::permissions::{ACTIONS, Action, unknown};

/// In front of the name of every permission.
const API: &str = "org.libvirt.api.";

/// Every wrong name in the texts of a file of rules.
pub fn lint(file: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut tell = |text: String| {
            problems.push(Problem {
                place: Place {
                    file: file.to_owned(),
                    line: number + 1,
                },
                text,
            });
        };
        let code = without_comment(line);
        for word in texts(code) {
            if let Some(name) = word.strip_prefix(API)
                && !is_action(name)
            {
                tell(unknown(name));
            }
        }
        for key in looked_up(code) {
            if !is_detail(key) && looks_like_ours(key) {
                let known: Vec<_> = details().collect();
                tell(format!(
                    "no object of libvirt has a detail \"{key}\"; there are {}",
                    known.join(", ")
                ));
            }
        }
    }
    problems
}

/// An action by its whole name, or what several begin with: rules look for `org.libvirt.api.domain.`.
/// Polkit's names have hyphens: `core_dump` is none.
fn is_action(name: &str) -> bool {
    let mut all = ACTIONS.iter();
    match name.ends_with('.') || name.is_empty() {
        true => all.any(|action| hyphened(*action).starts_with(name)),
        false => all.any(|action| {
            hyphened(*action) == name || hyphened(*action).starts_with(&format!("{name}."))
        }),
    }
}

fn hyphened(action: Action) -> String {
    action.to_string().replace('_', "-")
}

fn details() -> impl Iterator<Item = &'static str> {
    let kinds = KINDS.iter().flat_map(|kind| kind.keys());
    std::iter::once(DRIVER_KEY).chain(kinds)
}

fn is_detail(key: &str) -> bool {
    details().any(|known| known == key)
}

/// Other programs' actions have details of their own, in the same file: one counts as meant for
/// libvirt when it begins like one of its.
fn looks_like_ours(key: &str) -> bool {
    let first = key.split('_').next().unwrap_or_default();
    details().any(|known| known.split('_').next() == Some(first))
}

/// The texts in quotes.
fn texts(line: &str) -> impl Iterator<Item = &str> {
    // Between the first and the second quote of a kind is a text, between the second and third none.
    let double = line.split('"').skip(1).step_by(2);
    double.chain(line.split('\'').skip(1).step_by(2))
}

/// The names that `action.lookup` is called with.
fn looked_up(line: &str) -> impl Iterator<Item = &str> {
    line.split("lookup(").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|quote| "\"'".contains(*quote))?;
        rest[1..].split(quote).next()
    })
}

fn without_comment(line: &str) -> &str {
    match line.trim_start().starts_with("//") {
        true => "",
        false => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_names_are_found_and_right_ones_left_alone() {
        let rules = r#"polkit.addRule(function(action, subject) {
    // org.libvirt.api.domain.frob
    if (action.id.indexOf("org.libvirt.api.domain.") == 0 &&
        action.id != "org.libvirt.api.domain.core-dump" &&
        action.lookup("domain_nmae") == 'demo' &&
        action.lookup('connect_driver') == "LXC" &&
        action.lookup("unit") == "x" &&
        subject.user == "berrange") { return polkit.Result.YES; }
    if (action.id == "org.libvirt.api.domain.strat") { return polkit.Result.YES; }
    if (action.id == 'org.libvirt.api.domain.core_dump') { return polkit.Result.YES; }
});"#;
        let problems = lint(Path::new("x.rules"), rules);
        let lines: Vec<_> = problems.iter().map(|problem| problem.place.line).collect();
        assert_eq!(lines, [5, 9, 10], "{problems:?}");
    }
}
