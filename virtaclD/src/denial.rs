//! A refusal, and who is told of it: the one place for that, whatever refused.

use std::sync::Arc;

use virt_daemon::logging::{Outgoing, cut, fact};
use virt_rpc::protocol::audit::{Audit, Type, Value};
use virt_rpc::protocol::decisions::{Question, Subject, Target};
use virt_rpc::protocol::records::{Guest, Record, VALUE_MAX, Word};

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

    /// What is known of the object under that name.
    fn detail(&self, key: &str) -> Option<&'a str> {
        let (_, target) = self.object?;
        let mut details = target.details.iter();
        let (_, value) = details.find(|(known, _)| known == key)?;
        Some(value)
    }

    /// The guest's UUID as a number, where it is about a guest.
    fn guest(&self) -> Option<u128> {
        let text = self.detail("domain_uuid")?;
        u128::from_str_radix(&text.replace('-', ""), 16).ok()
    }

    /// The object with all that a policy is shown of it.
    fn object(&self) -> Option<String> {
        let (driver, target) = self.object?;
        let details = target.details.iter();
        let details: String = details
            .map(|(key, value)| format!(" {key}={value:?}"))
            .collect();
        Some(format!("{DRIVER_KEY}={driver:?}{details}"))
    }

    /// Tells the log, under a category that reaches virtlogd whatever the log level is, and the kernel's
    /// audit trail, to which virtlogd alone may write.
    pub fn tell(&self, outgoing: &Arc<Outgoing>) {
        let Self {
            subject,
            permission,
            call,
            back_end,
            rule,
            ..
        } = self;
        let object = self.object();
        let on = object.iter().map(|object| format!(" on {object}"));
        tracing::warn!(
            target: "access",
            uid = subject.uid,
            guest.name = self.detail("domain_name"),
            guest.uuid = self.guest(),
            client_pid = subject.pid,
            permission = permission,
            object = object,
            back_end = back_end,
            refused_call = call,
            rule = rule,
            "refused: user {}, process {}, {permission}{} for {call}: {back_end}: {rule}",
            subject.uid,
            subject.pid.unwrap_or_default(),
            on.collect::<String>(),
        );
        let audit = self.audit();
        outgoing.push(Record {
            guest: self.guest().map(|uuid| Guest {
                uuid: uuid.to_be_bytes(),
                name: self.detail("domain_name").unwrap_or_default().to_owned(),
            }),
            audit: Some(Box::new(audit.clone())),
            ..fact("audit", format!("success=no {}", audit.text()))
        });
    }

    /// The same for the audit trail; who is meant stands beside virtlogd, which the kernel names itself.
    fn audit(&self) -> Audit {
        let subject = self.subject;
        let pid = subject.pid.map_or("?".to_owned(), |pid| pid.to_string());
        let text = |text: &str| Value::Text(cut(text.to_owned(), VALUE_MAX));
        let named = |(key, value): &(String, String)| {
            let key = Word::from(key.replace('_', "-"));
            (key, text(value))
        };
        let mut fields: Vec<(Word, Value)> = vec![
            ("op".into(), Value::Bare(self.permission.to_owned())),
            ("subj-uid".into(), Value::Bare(subject.uid.to_string())),
            ("subj-pid".into(), Value::Bare(pid)),
        ];
        if let Some((driver, target)) = self.object {
            fields.push(named(&(DRIVER_KEY.to_owned(), driver.to_owned())));
            fields.extend(target.details.iter().map(named));
        }
        fields.extend([
            ("call".into(), text(self.call)),
            ("back-end".into(), text(self.back_end)),
            ("rule".into(), text(self.rule)),
        ]);
        Audit {
            kind: Type::UserAvc,
            fields,
            success: false,
        }
    }
}
