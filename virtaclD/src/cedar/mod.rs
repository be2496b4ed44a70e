//! Policies in Cedar, evaluated in this process. A user is a `User` in its `Group`s, an object is
//! what [`crate::kinds`] says of its kind, a permission is an `Action`.
//!
//! Without a policy that permits it, everything is refused, for root as well. A policy that fails
//! while it is evaluated, which those that were read can do only by numbers that overflow, refuses
//! as well: it may have been one that forbids.

mod entities;
mod load;
mod schema;
mod source;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicyId, Request, Response,
};
use virt_rpc::protocol::decisions::{Question, Verdict};

pub use load::{Loaded, content, folder, sources};
pub use schema::text as schema_text;
pub use source::{Place, Problem, cut};

use crate::people::Person;
use crate::permissions::Action;

/// What this back end is called.
pub const NAME: &str = "cedar";

/// The policies in force.
pub struct Policies {
    authorizer: Authorizer,
    loaded: Loaded,
}

/// A question as the policies see it.
pub struct Asking<'a> {
    policies: &'a Policies,
    principal: EntityUid,
    resources: Vec<EntityUid>,
    entities: Entities,
    context: Context,
}

impl Policies {
    /// Policies that were read.
    pub fn new(loaded: Loaded) -> Self {
        Self {
            authorizer: Authorizer::new(),
            loaded,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.loaded.places.len()
    }

    /// Prepares to answer for every target of a question that was
    /// [checked](crate::question::check).
    ///
    /// # Errors
    /// Two targets have one identity and are different: a sentence.
    pub fn ask(
        &self,
        person: &Person,
        question: &Question,
        actions: &[Action],
    ) -> Result<Asking<'_>, String> {
        let principal = schema::user(&person.name);
        let mut resources = Vec::with_capacity(question.targets.len());
        let mut all = entities::person(&principal, person);
        all.extend(actions.iter().map(|action| entities::action(*action)));
        for target in &question.targets {
            let (uid, entity) = entities::target(target, &question.driver)?;
            resources.push(uid);
            all.push(entity);
        }
        let entities = Entities::from_entities(all, None).map_err(|e| e.to_string())?;
        Ok(Asking {
            policies: self,
            principal,
            resources,
            entities,
            context: entities::context(question)?,
        })
    }

    fn name(&self, id: &PolicyId) -> String {
        match self.loaded.places.get(id) {
            Some(place) => format!("policy \"{id}\" ({place})"),
            None => format!("policy \"{id}\""),
        }
    }
}

impl Asking<'_> {
    /// Whether the person may do that to the target at that place.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, action: Action, target: usize) -> Result<(), String> {
        let response = self.response(action, target)?;
        if response.decision() == Decision::Allow && !has_errors(&response) {
            return Ok(());
        }
        Err(self.reason(&response))
    }

    /// What the policies say, for people.
    pub fn verdict(&self, action: Action, target: usize) -> Verdict {
        let response = self.response(action, target);
        let allowed = response
            .as_ref()
            .is_ok_and(|response| response.decision() == Decision::Allow && !has_errors(response));
        Verdict {
            back_end: NAME.to_owned(),
            allowed,
            reason: response.map_or_else(|text| text, |response| self.reason(&response)),
            seen: self.seen(action, target),
        }
    }

    fn response(&self, action: Action, target: usize) -> Result<Response, String> {
        let policies = self.policies.loaded.by_action.get(&action);
        let (Some(policies), Some(resource)) = (policies, self.resources.get(target)) else {
            return Err(format!("no policy knows {action}"));
        };
        let request = Request::new(
            self.principal.clone(),
            schema::action(&action.to_string()),
            resource.clone(),
            self.context.clone(),
            None,
        )
        .map_err(|e| e.to_string())?;
        let authorizer = &self.policies.authorizer;
        Ok(authorizer.is_authorized(&request, policies, &self.entities))
    }

    fn reason(&self, response: &Response) -> String {
        let diagnostics = response.diagnostics();
        if let Some(error) = diagnostics.errors().next() {
            return format!("a policy fails, which refuses: {error}");
        }
        let mut names: Vec<_> = diagnostics
            .reason()
            .map(|id| self.policies.name(id))
            .collect();
        names.sort();
        match (response.decision(), names.is_empty()) {
            (_, true) => "no policy permits it".to_owned(),
            (Decision::Allow, false) => format!("permitted by {}", names.join(", ")),
            (Decision::Deny, false) => format!("forbidden by {}", names.join(", ")),
        }
    }

    fn seen(&self, action: Action, target: usize) -> Vec<String> {
        let mut seen = vec![
            format!("principal: {}", self.principal),
            format!("action: {}", schema::action(&action.to_string())),
        ];
        let mut groups: Vec<_> = self
            .entities
            .ancestors(&self.principal)
            .into_iter()
            .flatten()
            .map(|group| format!("principal in: {group}"))
            .collect();
        groups.sort();
        seen.extend(groups);
        if let Some(resource) = self.resources.get(target) {
            seen.push(format!("resource: {resource}"));
            let entity = self.entities.get(resource);
            let mut attributes: Vec<_> = entity
                .into_iter()
                .flat_map(|entity| entity.attrs())
                .map(|(name, value)| match value {
                    Ok(value) => format!("resource.{name}: {value}"),
                    Err(error) => format!("resource.{name}: {error}"),
                })
                .collect();
            attributes.sort();
            seen.extend(attributes);
        }
        let pairs = self.context.clone().into_iter();
        let mut context: Vec<_> = pairs
            .filter_map(|(name, _)| {
                let value = self.context.get(&name)?;
                Some(format!("context.{name}: {value}"))
            })
            .collect();
        context.sort();
        seen.extend(context);
        seen
    }
}

fn has_errors(response: &Response) -> bool {
    response.diagnostics().errors().next().is_some()
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} policies", self.count())
    }
}

#[cfg(test)]
mod tests;
