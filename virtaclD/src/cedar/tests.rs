use std::path::Path;

use proptest::prelude::*;
use virt_rpc::protocol::Permission;

use super::*;
use crate::question::{check, tests::guests};

fn policies(text: &str) -> Policies {
    let loaded = sources(cut(Path::new("x.cedar"), text));
    Policies::new(loaded.unwrap_or_else(|problems| panic!("{problems:?}")))
}

fn problems(text: &str) -> String {
    let problems = sources(cut(Path::new("x.cedar"), text)).unwrap_err();
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

fn person(name: &str, groups: &[&str]) -> Person {
    Person {
        name: name.to_owned(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn answer(policies: &Policies, person: &Person, question: &Question) -> Vec<Result<(), String>> {
    let actions = check(question).unwrap();
    let targets: Vec<_> = question.targets.iter().collect();
    let asking = policies.ask(person, question, &actions, &targets).unwrap();
    let refusals = (0..targets.len()).map(|target| asking.refusal(actions[0], target));
    let answers: Vec<_> = refusals
        .map(|refusal| refusal.map_or(Ok(()), Err))
        .collect();
    // The short way comes to the same.
    let allowed = policies.allowed(person, question, &actions).unwrap();
    let same: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(allowed, same);
    answers
}

const FRANK: &str = r#"@id("frank-starts-apache")
permit(principal == User::"frank", action == Action::"domain.start", resource)
when { resource.domain_name == "apache" && !context.readonly };
@id("look")
permit(principal in Group::"staff", action in Action::"look", resource);
forbid(principal, action, resource) when { context.connect_driver == "LXC" };
"#;

#[test]
fn a_policy_decides_and_is_named() {
    let policies = policies(FRANK);
    let frank = person("frank", &["frank"]);
    let mut question = guests(1000, Permission::Start, &["apache", "db"]);
    let answers = answer(&policies, &frank, &question);
    assert_eq!(answers[0], Ok(()));
    assert_eq!(answers[1], Err("no policy permits it".to_owned()));
    let answers = answer(&policies, &person("emma", &["staff"]), &question);
    assert!(answers[0].is_err());
    question.driver = "LXC".to_owned();
    let text = answer(&policies, &frank, &question)[0].clone().unwrap_err();
    assert_eq!(text, "forbidden by policy \"x.cedar:6\" (x.cedar:6)");
    question.driver = "QEMU".to_owned();
    question.readonly = true;
    assert!(answer(&policies, &frank, &question)[0].is_err());
    let question = guests(1000, Permission::Getattr, &["apache", "db"]);
    assert!(answer(&policies, &frank, &question)[0].is_err());
    assert!(answer(&policies, &person("emma", &["staff"]), &question)[1].is_ok());
}

#[test]
fn owners_that_a_guest_names_are_people_and_groups() {
    let policies = policies(
        "permit(principal, action in Action::\"domain\", resource) \
         when { principal in resource.owner_groups || resource.owner_users.contains(principal) };",
    );
    let mut question = guests(1000, Permission::Stop, &["a", "b"]);
    question.targets[0].owner_groups = vec!["engineering".to_owned()];
    question.targets[1].owner_users = vec!["emma".to_owned()];
    let frank = person("frank", &["engineering"]);
    let answers = answer(&policies, &frank, &question);
    assert_eq!((answers[0].is_ok(), answers[1].is_ok()), (true, false));
    let answers = answer(&policies, &person("emma", &["staff"]), &question);
    assert_eq!((answers[0].is_ok(), answers[1].is_ok()), (false, true));
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_its_place() {
    let text = problems("\n\npermit(principal,\n action == Action::\"domain.strat\", resource);");
    assert!(
        text.starts_with("x.cedar:4: ") && text.contains("domain.strat"),
        "{text}"
    );
    assert!(text.contains("getattr, read, write"), "{text}");
    let text =
        problems("permit(principal, action, resource)\nwhen { resource.domain_nmae == \"x\" };");
    assert!(
        text.starts_with("x.cedar:2: ") && text.contains("domain_nmae"),
        "{text}"
    );
    let text = problems("permit(principal, action, resource);\npermit(principal action);");
    assert!(text.starts_with("x.cedar:2: "), "{text}");
    let text = problems("permit(principal, action, resource)");
    assert!(text.starts_with("x.cedar:1: "), "{text}");
    let text = problems(
        "@id(\"a\") permit(principal, action, resource);\n@id(\"a\") forbid(principal, action, resource);",
    );
    assert!(
        text.contains("x.cedar:2: there is a policy \"a\" in x.cedar:1"),
        "{text}"
    );
    let text = problems("permit(principal == ?principal, action, resource);");
    assert!(text.starts_with("x.cedar:1: "), "{text}");
    let text =
        problems("forbid(principal, action == Action::\"domain.start\", resource is Network);");
    assert!(text.starts_with("x.cedar:1: "), "{text}");
}

#[test]
fn a_verdict_shows_the_question() {
    let policies = policies(FRANK);
    let question = guests(1000, Permission::Start, &["apache"]);
    let actions = check(&question).unwrap();
    let frank = person("frank", &["engineering"]);
    let asking = policies
        .ask(&frank, &question, &actions, &[&question.targets[0]])
        .unwrap();
    let verdict = asking.verdict(actions[0], 0);
    assert!(verdict.allowed);
    assert_eq!(
        verdict.reason,
        "permitted by policy \"frank-starts-apache\" (x.cedar:1)"
    );
    for line in [
        "principal: User::\"frank\"",
        "principal in: Group::\"engineering\"",
        "action: Action::\"domain.start\"",
        "resource.domain_name: \"apache\"",
        "context.connect_driver: \"QEMU\"",
    ] {
        assert!(
            verdict.seen.iter().any(|seen| seen == line),
            "{:?}",
            verdict.seen
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is answered for many is what is answered for each alone.
    #[test]
    fn many_are_each_alone(
        names in proptest::collection::vec("[ab]{1,2}", 1..20),
        owners in proptest::collection::vec(0..3_usize, 20),
        group in 0..3_usize,
        forbidden in "[ab]{1,2}",
    ) {
        let groups = ["engineering", "staff", "audit"];
        let policies = policies(&format!(
            "permit(principal, action, resource is Domain) when {{ principal in resource.owner_groups }};
             permit(principal, action in Action::\"domain\", resource) when {{ resource.domain_name like \"*a\" }};
             forbid(principal, action, resource is Domain) when {{ resource.domain_name == \"{forbidden}\" }};"
        ));
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut all = guests(1000, Permission::Start, &names);
        for (target, owner) in all.targets.iter_mut().zip(&owners) {
            target.owner_groups = vec![groups[*owner].to_owned()];
        }
        let frank = person("frank", &[groups[group]]);
        let together = answer(&policies, &frank, &all);
        for (place, target) in all.targets.iter().enumerate() {
            let mut one = all.clone();
            one.targets = vec![target.clone()];
            prop_assert_eq!(&answer(&policies, &frank, &one)[0], &together[place]);
        }
    }
}

/// The examples of the README, each alone beside root's.
#[test]
fn the_examples_do_what_they_say() {
    let example = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.cedar"));
        policies(&std::fs::read_to_string(path).unwrap())
    };
    let guest = |name: &str, owners: &[&str]| {
        let mut question = guests(1000, Permission::Start, &[name]);
        question.targets[0].owner_groups = owners.iter().map(|name| (*name).to_owned()).collect();
        question
    };
    let may = |policies: &Policies, person: &Person, question: &Question, name: &str| {
        let action = Action::named(name).unwrap();
        let mut question = question.clone();
        question.permissions = vec![action.permission];
        question.targets[0].object = action.object;
        if action.object != virt_rpc::protocol::Object::Domain {
            question.targets[0].details = crate::kinds::Kind::of(action.object)
                .always
                .iter()
                .map(|key| ((*key).to_owned(), "x".to_owned()))
                .collect();
            question.targets[0].owner_groups.clear();
        }
        answer(policies, person, &question)[0].is_ok()
    };
    let everything = |policies: &Policies, person: &Person, question: &Question| -> Vec<String> {
        crate::permissions::ACTIONS
            .iter()
            .map(Action::to_string)
            .filter(|name| may(policies, person, question, name))
            .collect()
    };

    let policies = example("root");
    assert_eq!(
        everything(&policies, &person("root", &[]), &guest("db", &[])).len(),
        106
    );
    assert!(everything(&policies, &person("frank", &["root"]), &guest("db", &[])).is_empty());

    let policies = example("frank");
    let frank = person("frank", &["frank"]);
    let connects = ["connect.getattr", "connect.read", "connect.search_domains"];
    let mut expected = connects.to_vec();
    assert_eq!(everything(&policies, &frank, &guest("db", &[])), expected);
    expected.extend(["domain.getattr", "domain.read", "domain.start"]);
    assert_eq!(
        everything(&policies, &frank, &guest("apache", &[])),
        expected
    );
    assert!(
        everything(
            &policies,
            &person("emma", &["frank"]),
            &guest("apache", &[])
        )
        .is_empty()
    );

    let policies = example("engineering");
    let engineer = person("emma", &["engineering"]);
    let mut expected = vec!["connect.getattr", "connect.read", "connect.search_domains"];
    assert_eq!(
        everything(&policies, &engineer, &guest("db", &["sales"])),
        expected
    );
    let all = crate::permissions::ACTIONS.iter().map(Action::to_string);
    let all: Vec<_> = all.filter(|name| name.starts_with("domain.")).collect();
    expected.extend(all.iter().map(String::as_str));
    assert_eq!(
        everything(&policies, &engineer, &guest("db", &["engineering"])),
        expected
    );

    let policies = example("monitor");
    let monitor = person("monitor", &[]);
    let seen = everything(&policies, &monitor, &guest("db", &[]));
    assert!(
        seen.contains(&"domain.read".to_owned()) && seen.len() > 20,
        "{seen:?}"
    );
    let reads = |name: &String| {
        ["getattr", "read", "search_"]
            .iter()
            .any(|word| name.split('.').nth(1).unwrap().starts_with(word))
    };
    assert!(seen.iter().all(reads), "{seen:?}");
    assert!(
        !seen.iter().any(|name| name.ends_with("read_secure")),
        "{seen:?}"
    );

    let policies = example("auditor");
    let auditor = person("otto", &["auditors"]);
    assert_eq!(
        everything(&policies, &auditor, &guest("db", &[])),
        [
            "connect.getattr",
            "connect.search_domains",
            "domain.getattr"
        ]
    );
}
