//! Policies in Cedar, evaluated in this process. A user is a `User` in its `Group`s, an object is
//! what [`crate::kinds`] says of its kind, a permission is an `Action`.
//!
//! Without a policy that permits it, everything is refused, for root as well. A policy that fails
//! while it is evaluated, which those that were read can do only by numbers that overflow, refuses
//! as well: it may have been one that forbids.

mod attention;
mod entities;
mod load;
mod schema;
mod source;

use std::collections::HashMap;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicyId, Request, Response,
};
use virt_rpc::protocol::decisions::{Question, Target, Verdict};

use attention::Attention;

pub use load::{Loaded, Relevant, content, folder, sources};
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

/// A question, or some of its targets, as the policies see it.
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

    /// Which targets of a question that was [checked](crate::question::check) the person may do all of
    /// the actions to.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn allowed(
        &self,
        person: &Person,
        question: &Question,
        actions: &[Action],
    ) -> Result<Vec<bool>, String> {
        let relevant = actions.iter().filter_map(|action| self.relevant(*action));
        let attention = relevant.fold(Attention::none(), |all, one| all.and(&one.attention));
        // Targets that look the same to these policies are decided once.
        let mut distinct = HashMap::new();
        let mut chosen = Vec::new();
        let mut place_of = Vec::with_capacity(question.targets.len());
        for target in &question.targets {
            let place = match attention.view(target) {
                Some(view) => *distinct.entry(view).or_insert(chosen.len()),
                None => chosen.len(),
            };
            if place == chosen.len() {
                chosen.push(target);
            }
            place_of.push(place);
        }
        let asking = self.ask(person, question, actions, &chosen)?;
        let decided: Vec<_> = (0..chosen.len())
            .map(|place| actions.iter().all(|action| asking.allows(*action, place)))
            .collect();
        Ok(place_of.into_iter().map(|place| decided[place]).collect())
    }

    /// Prepares to answer for targets of a question that was [checked](crate::question::check).
    ///
    /// # Errors
    /// Two targets have one identity and are different: a sentence.
    pub fn ask(
        &self,
        person: &Person,
        question: &Question,
        actions: &[Action],
        targets: &[&Target],
    ) -> Result<Asking<'_>, String> {
        let principal = schema::user(&person.name);
        let mut resources = Vec::with_capacity(targets.len());
        let mut all = entities::person(&principal, person);
        all.extend(actions.iter().map(|action| entities::action(*action)));
        for target in targets {
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

    fn relevant(&self, action: Action) -> Option<&Relevant> {
        self.loaded.by_action.get(&action)
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
    pub fn allows(&self, action: Action, target: usize) -> bool {
        self.response(action, target)
            .is_ok_and(|response| permits(&response))
    }

    /// Why not, when not.
    pub fn refusal(&self, action: Action, target: usize) -> Option<String> {
        match self.response(action, target) {
            Ok(response) if permits(&response) => None,
            Ok(response) => Some(self.reason(&response)),
            Err(text) => Some(text),
        }
    }

    /// What the policies say, for people.
    pub fn verdict(&self, action: Action, target: usize) -> Verdict {
        let response = self.response(action, target);
        let allowed = response.as_ref().is_ok_and(permits);
        Verdict {
            back_end: NAME.to_owned(),
            allowed,
            reason: response.map_or_else(|text| text, |response| self.reason(&response)),
            seen: self.seen(action, target),
        }
    }

    fn response(&self, action: Action, target: usize) -> Result<Response, String> {
        let relevant = self.policies.relevant(action);
        let (Some(relevant), Some(resource)) = (relevant, self.resources.get(target)) else {
            return Err(format!("no policy knows {action}"));
        };
        let request = Request::new(
            self.principal.clone(),
            relevant.action.clone(),
            resource.clone(),
            self.context.clone(),
            None,
        )
        .map_err(|e| e.to_string())?;
        let authorizer = &self.policies.authorizer;
        Ok(authorizer.is_authorized(&request, &relevant.policies, &self.entities))
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

fn permits(response: &Response) -> bool {
    let failed = response.diagnostics().errors().next().is_some();
    response.decision() == Decision::Allow && !failed
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} policies", self.count())
    }
}

#[cfg(test)]
mod tests;
