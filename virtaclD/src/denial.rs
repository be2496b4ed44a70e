//! A refusal, and who is told of it: the one place for that, whatever refused.

use virt_rpc::protocol::decisions::{Question, Subject, Target};

use crate::kinds::DRIVER_KEY;

/// One thing that was refused to someone.
#[derive(Debug)]
pub struct Denial<'a> {
    /// To whom.
    pub subject: &'a Subject,
    /// What: `domain.start`.
    pub permission: &'a str,
    /// To what: the driver and the object; nothing when someone may not even connect.
    pub object: Option<(&'a str, &'a Target)>,
    /// The call that needed it.
    pub call: &'a str,
    /// Who says so.
    pub back_end: &'a str,
    /// The rule, or that there is none.
    pub rule: &'a str,
}

impl<'a> Denial<'a> {
    /// The refusal of what a call needed.
    pub fn of(
        question: &'a Question,
        permission: &'a str,
        back_end: &'a str,
        rule: &'a str,
    ) -> Self {
        let target = question.targets.first();
        Self {
            subject: &question.subject,
            permission,
            object: target.map(|target| (question.driver.as_str(), target)),
            call: &question.call,
            back_end,
            rule,
        }
    }
}

/// Tells the log, under a category that reaches virtlogd whatever the log level is.
pub fn tell(denial: &Denial<'_>) {
    let Denial {
        subject,
        permission,
        object,
        call,
        back_end,
        rule,
    } = denial;
    let detail = |key: &str| {
        let details = object.iter().flat_map(|(_, target)| &target.details);
        let mut values = details.filter(|(known, _)| known == key);
        values.next().map(|(_, value)| value.as_str())
    };
    let number = |text: &str| u128::from_str_radix(&text.replace('-', ""), 16).ok();
    let named = object.map_or(String::new(), |(driver, target)| {
        let details = target.details.iter();
        let details: String = details
            .map(|(key, value)| format!(" {key}={value:?}"))
            .collect();
        format!(" on {DRIVER_KEY}={driver:?}{details}")
    });
    tracing::warn!(
        target: "access",
        uid = subject.uid,
        guest.name = detail("domain_name"),
        guest.uuid = detail("domain_uuid").and_then(number),
        client_pid = subject.pid,
        permission = permission,
        back_end = back_end,
        refused_call = call,
        rule = rule,
        "refused: user {}, process {}, {permission}{named} for {call}: {back_end}: {rule}",
        subject.uid,
        subject.pid.unwrap_or_default(),
    );
}
