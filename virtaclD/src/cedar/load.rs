//! From a folder of files to policies in force, or a list of what is wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, ValidationMode, ValidationWarning,
    Validator,
};
use miette::Diagnostic;

use super::attention::Attention;
use super::schema;
use super::source::{Place, Problem, Source, cut};
use crate::permissions::{ACTIONS, Action, unknown};

/// Longest file of policies, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// Most files of one folder.
const FILES_MAX: usize = 1000;
/// Most policies.
const POLICIES_MAX: usize = 10_000;

/// The policies that may say something about an action.
#[derive(Debug, Clone)]
pub struct Relevant {
    /// They. Most actions share one of few sets.
    pub policies: Arc<PolicySet>,
    /// What they look at.
    pub attention: Attention,
    /// The action itself.
    pub action: EntityUid,
}

/// Policies that were found to be right.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// What may decide about each action.
    pub by_action: HashMap<Action, Relevant>,
    /// Where each policy is written.
    pub places: HashMap<PolicyId, Place>,
    /// What is allowed but strange.
    pub warnings: Vec<Problem>,
}

/// Reads the files of a folder that end in `.cedar`, in the order of their names.
///
/// # Errors
/// Everything that is wrong with them.
pub fn folder(folder: &Path) -> Result<Loaded, Vec<Problem>> {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    match files(folder) {
        Ok(files) => {
            for file in files {
                match content(&file) {
                    Ok(text) => sources.extend(cut(&file, &text)),
                    Err(text) => problems.push(whole(&file, text)),
                }
            }
        }
        Err(text) => problems.push(whole(folder, text)),
    }
    match self::sources(sources) {
        Ok(loaded) if problems.is_empty() => Ok(loaded),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// Reads policies, wherever they are from.
///
/// # Errors
/// Everything that is wrong with them.
pub fn sources(sources: Vec<Source>) -> Result<Loaded, Vec<Problem>> {
    let validator = VALIDATOR
        .as_ref()
        .map_err(|text| vec![whole(Path::new("schema"), text.clone())])?;
    let reader = Reader { validator };
    let mut problems = Vec::new();
    if let Some(one) = sources.get(POLICIES_MAX) {
        let text = format!("{} policies; {POLICIES_MAX} are allowed", sources.len());
        return Err(vec![problem(&one.place, text)]);
    }
    let mut loaded = Loaded::default();
    let mut policies = Vec::with_capacity(sources.len());
    for source in sources {
        match reader.read(&source, &mut loaded.warnings) {
            Ok(policy) => {
                let id = policy.id().clone();
                if let Some(other) = loaded.places.insert(id.clone(), source.place.clone()) {
                    let text = format!("there is a policy \"{id}\" in {other} already");
                    problems.push(problem(&source.place, text));
                }
                policies.push(policy);
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    loaded.by_action = by_action(&policies).map_err(|text| vec![whole(Path::new(""), text)])?;
    Ok(loaded)
}

/// The policies that may say something about each action: those whose heads let it in.
fn by_action(policies: &[Policy]) -> Result<HashMap<Action, Relevant>, String> {
    let attentions: Vec<_> = policies.iter().map(Attention::of).collect();
    let heads: Vec<_> = policies.iter().map(Policy::action_constraint).collect();
    let mut sets: BTreeMap<Vec<usize>, Arc<PolicySet>> = BTreeMap::new();
    let mut found = HashMap::with_capacity(ACTIONS.len());
    for action in ACTIONS {
        let names: Vec<_> = schema::groups(*action)
            .map(schema::action)
            .chain([schema::action(&action.to_string())])
            .collect();
        let places: Vec<usize> = (0..heads.len())
            .filter(|place| match &heads[*place] {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(uid) => names.last() == Some(uid),
                ActionConstraint::In(uids) => uids.iter().any(|uid| names.contains(uid)),
            })
            .collect();
        let attention = places
            .iter()
            .fold(Attention::none(), |all, place| all.and(&attentions[*place]));
        let policies = match sets.get(&places) {
            Some(set) => Arc::clone(set),
            None => {
                let chosen = places.iter().map(|place| policies[*place].clone());
                let set = PolicySet::from_policies(chosen).map_err(|e| e.to_string())?;
                let set = Arc::new(set);
                sets.insert(places, Arc::clone(&set));
                set
            }
        };
        let relevant = Relevant {
            policies,
            attention,
            action: schema::action(&action.to_string()),
        };
        found.insert(*action, relevant);
    }
    Ok(found)
}

/// The schema is the same as long as the program runs.
static VALIDATOR: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| schema::read().map(Validator::new));

/// Reads single policies.
struct Reader<'a> {
    validator: &'a Validator,
}

impl Reader<'_> {
    fn read(&self, source: &Source, warnings: &mut Vec<Problem>) -> Result<Policy, Vec<Problem>> {
        let name = PolicyId::new(own_name(&source.place));
        let policy = Policy::parse(Some(name), &source.text).map_err(|errors| {
            let errors = errors.iter();
            errors
                .map(|error| located(source, error, error.to_string()))
                .collect::<Vec<_>>()
        })?;
        let policy = match policy.annotation("id") {
            Some("") => return Err(vec![problem(&source.place, "@id is empty".to_owned())]),
            Some(id) => policy.new_id(PolicyId::new(id)),
            None => policy,
        };
        actions_exist(source, &policy)?;
        let set = PolicySet::from_policies([policy.clone()])
            .map_err(|e| vec![problem(&source.place, e.to_string())])?;
        let result = self.validator.validate(&set, ValidationMode::Strict);
        let mut wrong: Vec<_> = result
            .validation_errors()
            .map(|error| located(source, error, sentence(error)))
            .collect();
        for warning in result.validation_warnings() {
            let found = located(source, warning, sentence(warning));
            match warning {
                // It is of no use, and if it is meant to forbid, it does not.
                ValidationWarning::ImpossiblePolicy(_) => wrong.push(found),
                _ => warnings.push(found),
            }
        }
        match wrong.is_empty() {
            true => Ok(policy),
            false => Err(wrong),
        }
    }
}

/// The actions that the head of a policy names.
fn actions_exist(source: &Source, policy: &Policy) -> Result<(), Vec<Problem>> {
    let named = match policy.action_constraint() {
        ActionConstraint::Any => return Ok(()),
        ActionConstraint::Eq(uid) => vec![uid],
        ActionConstraint::In(uids) => uids,
    };
    let problems: Vec<_> = named
        .iter()
        .filter(|uid| schema::is_action(uid) && !exists(uid))
        .map(|uid| {
            let name: &str = uid.id().unescaped();
            let offset = source.text.find(&format!("\"{name}\""));
            let place = source.place_of(offset.unwrap_or_default());
            problem(&place, unknown(name))
        })
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

fn exists(uid: &EntityUid) -> bool {
    ACTIONS.iter().any(|action| {
        schema::action(&action.to_string()) == *uid
            || schema::groups(*action).any(|group| schema::action(group) == *uid)
    })
}

/// What a policy without an id is called: file and line.
fn own_name(place: &Place) -> String {
    let file = place.file.file_name().unwrap_or_default();
    format!("{}:{}", file.to_string_lossy(), place.line)
}

fn sentence<E: Diagnostic>(error: &E) -> String {
    match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}

fn located<E: Diagnostic + ?Sized>(source: &Source, error: &E, text: String) -> Problem {
    let offset = error.labels().and_then(|mut labels| labels.next());
    let place = match offset {
        Some(label) => source.place_of(label.offset()),
        None => source.place.clone(),
    };
    problem(&place, text)
}

fn problem(place: &Place, text: String) -> Problem {
    Problem {
        place: place.clone(),
        text,
    }
}

fn whole(file: &Path, text: String) -> Problem {
    Problem {
        place: Place {
            file: file.to_owned(),
            line: 0,
        },
        text,
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("can't be read: {e}");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| failed(&e))? {
        let path = entry.map_err(|e| failed(&e))?.path();
        // Editors leave `.x.cedar.swp` and `x.cedar~` beside.
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "cedar")
        {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("more than {FILES_MAX} files of policies"));
        }
    }
    files.sort();
    Ok(files)
}

/// A file's text.
///
/// # Errors
/// It can't be read, is too long, or is not text; or everybody may write to it.
pub fn content(path: &Path) -> Result<String, String> {
    let failed = |e: std::io::Error| format!("can't be read: {e}");
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    if metadata.mode() & 0o002 != 0 {
        return Err("may be written by everybody; chmod o-w it".to_owned());
    }
    let mut text = String::new();
    file.take(FILE_MAX + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    match text.len() as u64 > FILE_MAX {
        true => Err(format!("is longer than {FILE_MAX} bytes")),
        false => Ok(text),
    }
}
