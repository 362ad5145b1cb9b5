//! What a model has suggested, or what has healed the same elsewhere, as steps for this workload:
//! each is checked against the cluster, and takes from it whatever it can tell. What cannot be
//! borne out is left out, and why is told.

use super::{
    Diagnosis, Examination, image,
    missing_variable::may_come_from_elsewhere,
    out_of_memory::{Which, limit_of_pod, memory, request_for},
};
use crate::{
    act::{Action, EnvValue, FixImageName, Found, IncreaseMemory, RestartPod, UpdateEnv, Variable},
    cluster::Controller,
    consult::{Suggested, Suggestion},
    evidence::{Answer, ImageAnswer, Keys, Question},
    image_reference::ImageReference,
    observe::Sign,
    plan::{Origin, Proof, Step, memory, values},
    quantity::Bytes,
};

/// More than so many times the limit is no step but a leap.
const MOST_GROWTH: u64 = 4;
/// Longer values of variables are no settings.
const LONGEST_VALUE: usize = 32;

/// Variables by which one loads code into a program, or has its traffic go elsewhere: no log is a
/// reason to set them.
const NEVER: [&str; 22] = [
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "PS4",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYLIB",
    "RUBYOPT",
    "NODE_PATH",
    "NODE_OPTIONS",
    "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    "GIT_SSH_COMMAND",
    "HOSTALIASES",
];

const NEVER_BEGIN: [&str; 9] = [
    "LD_",
    "DYLD_",
    "MALLOC_",
    "GCONV_",
    "KUBERNETES_",
    "DOTNET_",
    "CORECLR_",
    "ASPNETCORE_",
    "GIT_",
];
const NEVER_WORDS: [&str; 18] = [
    "PROXY", "OPTIONS", "OPTS", "AUTH", "TLS", "SSL", "CERT", "CERTS", "CA", "VERIFY", "INSECURE",
    "TRUST", "HOOKS", "PROFILER", "PRELOAD", "GEM", "BUNDLE", "PHPRC",
];
/// Words of names that say where something is. Only the cluster says that.
const PLACES: [&str; 17] = [
    "HOST",
    "HOSTS",
    "HOSTNAME",
    "URL",
    "URLS",
    "URI",
    "ADDR",
    "ADDRESS",
    "ENDPOINT",
    "SERVER",
    "SERVERS",
    "BROKER",
    "BROKERS",
    "DOMAIN",
    "DNS",
    "LOCALDOMAIN",
    "PEERS",
];

/// What is left of suggestions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// The steps that the cluster bears out.
    pub steps: Vec<Step>,
    /// Why others are left out.
    pub refused: Vec<String>,
}

/// A step, or why there is none; nothing while an answer is waited for.
type Judged = Option<Result<Step, String>>;

/// Checks suggestions for a failure; nothing while answers are waited for, which are asked for.
pub(super) fn check(
    examination: &Examination<'_>,
    diagnosis: &Diagnosis,
    suggestions: &[Suggested],
    origin: Origin,
) -> Option<Checked> {
    let mut checked = Checked::default();
    // all are asked about together
    let judged: Vec<_> = suggestions
        .iter()
        .map(|it| judge(examination, diagnosis, &it.suggestion))
        .collect();
    for (suggested, judged) in suggestions.iter().zip(judged) {
        match judged? {
            Ok(step) => {
                let is_new = checked.steps.iter().all(|it| it.action != step.action);
                let reasoning = match suggested.reasoning.as_str() {
                    "" => step.reasoning,
                    words => format!("{words} ({})", step.reasoning),
                };
                if is_new {
                    checked.steps.push(Step {
                        reasoning,
                        origin,
                        ..step
                    });
                }
            }
            Err(why) => checked.refused.push(why),
        }
    }
    follow_on(&mut checked.steps);
    Some(checked)
}

/// A second growth of memory begins where the first has ended.
fn follow_on(steps: &mut Vec<Step>) {
    let mut reached: Option<Bytes> = None;
    steps.retain_mut(|step| {
        let Action::IncreaseMemory(action) = &mut step.action else {
            return true;
        };
        action.from = reached.unwrap_or(action.from);
        let grows = action.to > action.from;
        reached = reached.max(Some(action.to));
        grows
    });
}

fn judge(examination: &Examination<'_>, diagnosis: &Diagnosis, suggestion: &Suggestion) -> Judged {
    match suggestion {
        Suggestion::IncreaseMemory { limit } => more_memory(examination, diagnosis, *limit),
        Suggestion::UpdateEnv { name, value } => variable(examination, diagnosis, name, value),
        Suggestion::RestartPod => Some(restart(examination, diagnosis)),
        Suggestion::FixImageName { image } => other_image(examination, diagnosis, image),
    }
}

fn step(action: Action, reasoning: String, proof: Proof) -> Step {
    Step {
        action,
        reasoning,
        origin: Origin::Model,
        proof,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what every check ends with")]
fn refused(why: impl Into<String>) -> Judged {
    Some(Err(why.into()))
}

fn more_memory(examination: &Examination<'_>, diagnosis: &Diagnosis, to: Bytes) -> Judged {
    let symptom = &diagnosis.symptom;
    let (Some(container), Some(reference)) =
        (examination.container(symptom), symptom.container.clone())
    else {
        return refused("more memory: no container fails");
    };
    let Some(limit) = memory(container, Which::Limit) else {
        return refused("more memory: the container has no memory limit");
    };
    if limit_of_pod(examination, symptom).is_some_and(|of_pod| of_pod != limit) {
        return refused("more memory: somebody else sets the pod's limit");
    }
    let Answer::Bounds(bounds) = examination.ask(Question::Bounds)? else {
        return refused(
            "more memory: the namespace's LimitRanges and ResourceQuotas are not known",
        );
    };
    let bounds = bounds.for_each_of(examination.workload.desired(), limit);
    let ceiling = examination.settings.policy.ceilings.memory;
    let (most, bound) = memory::most(
        limit,
        bounds,
        memory::largest_node(examination.workload.cluster()),
        ceiling,
    );
    let most = most.min(limit.times(MOST_GROWTH));
    let to = to.min(most);
    if to <= limit {
        return refused(format!(
            "more memory: {to} is no more than the limit of {limit}, or {bound} allows no more"
        ));
    }
    let action = Action::IncreaseMemory(IncreaseMemory {
        container: reference,
        from: limit,
        to,
        request: request_for(container, limit, to, bounds),
    });
    let reasoning = format!("{to} is within {bound} and no more than {MOST_GROWTH} times {limit}");
    Some(Ok(step(action, reasoning, Proof::Bounded)))
}

fn variable(
    examination: &Examination<'_>,
    diagnosis: &Diagnosis,
    name: &str,
    value: &str,
) -> Judged {
    let symptom = &diagnosis.symptom;
    let (Some(template), Some(reference)) =
        (examination.container(symptom), symptom.container.clone())
    else {
        return refused("a variable: no container fails");
    };
    if let Err(why) = is_settable(name) {
        return refused(format!("the variable {name:.64}: {why}"));
    }
    let no = |why: &str| refused(format!("the variable {name}: {why}"));
    if template.env.iter().flatten().any(|env| env.name == name) {
        return no("the container sets it already");
    }
    if !names_word(examination.crash_log(symptom)?, name) {
        return no("the program's log does not name it");
    }
    let Some(keys) = examination.ask(Question::Keys)?.keys() else {
        return no("the ConfigMaps and Secrets of the namespace are not known");
    };
    let keys: &Keys = keys;
    if may_come_from_elsewhere(template, keys, &[name.to_owned()]) {
        return no("the container's envFrom may set it");
    }
    let mut known = values::value_for(name, &reference, examination.workload, keys);
    let proof = if known.found == Found::Nowhere {
        if known.is_credential() {
            return no("it is a credential, and the cluster holds none for it");
        }
        if is_place(name) {
            return no("it says where something is, and the cluster holds no value for it");
        }
        if !is_setting(value) {
            return no(
                "the cluster holds no value for it, and what was suggested is no plain word or number",
            );
        }
        known = Variable {
            value: EnvValue::Literal(value.to_owned()),
            source: "the cluster does not tell it: suggested".to_owned(),
            ..known
        };
        Proof::Placeholder
    } else {
        Proof::Bounded
    };
    let reasoning = format!("{name} = {} ({})", known.shown(), known.source);
    let action = Action::UpdateEnv(UpdateEnv {
        container: reference,
        variables: vec![known],
    });
    Some(Ok(step(action, reasoning, proof)))
}

/// Whether a variable of this name may be set on a suggestion.
fn is_settable(name: &str) -> Result<(), &'static str> {
    let is_name = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !is_name {
        return Err("it is not of the form SOME_NAME");
    }
    let begins = |beginning: &&str| name.starts_with(*beginning);
    let steers = NEVER.contains(&name)
        || NEVER_BEGIN.iter().any(begins)
        || name.split('_').any(|word| NEVER_WORDS.contains(&word));
    if steers {
        return Err(
            "it steers how programs are loaded, whom they trust, or where their traffic goes",
        );
    }
    Ok(())
}

/// Whether a variable says where traffic goes: a number may be an address as well.
fn is_place(name: &str) -> bool {
    name.split('_').any(|word| PLACES.contains(&word))
}

/// A plain word or number: no host, path, address or command.
fn is_setting(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= LONGEST_VALUE
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Whether a text has a name as a word of its own.
fn names_word(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).any(|word| word == name)
}

fn restart(examination: &Examination<'_>, diagnosis: &Diagnosis) -> Result<Step, String> {
    let workload = examination.workload;
    if matches!(
        workload.controller,
        Controller::Pod(_) | Controller::Job(_) | Controller::CronJob(_) | Controller::Support(_)
    ) {
        return Err("a new pod: nobody would make it anew".to_owned());
    }
    let name = diagnosis.symptom.pod.as_ref();
    let mut pods = workload.pods.iter();
    let pod = pods.find(|pod| name.is_some() && pod.metadata.name.as_ref() == name);
    let found = pod.and_then(|pod| pod.metadata.name.clone().zip(pod.metadata.uid.clone()));
    let (pod, uid) = found.ok_or("a new pod: the one that failed is gone")?;
    let reasoning = format!("{pod} has failed, and its controller makes it anew");
    let action = Action::RestartPod(RestartPod { pod, uid });
    Ok(step(action, reasoning, Proof::Bounded))
}

fn other_image(examination: &Examination<'_>, diagnosis: &Diagnosis, image: &str) -> Judged {
    let symptom = &diagnosis.symptom;
    let (Sign::ImagePull { image: has }, Some(container)) =
        (&symptom.sign, symptom.container.clone())
    else {
        return refused("another image: the image that it has can be pulled");
    };
    let (Some(from), Some(to)) = (ImageReference::parse(has), ImageReference::parse(image)) else {
        return refused("another image: it is no image reference");
    };
    let owner = |it: &ImageReference| {
        let owner = it
            .path
            .rsplit_once('/')
            .map_or("library", |(owner, _)| owner);
        owner.to_owned()
    };
    let to_text = to.to_string();
    if from == to || from.digest.is_some() || to.digest.is_some() {
        return refused("another image: it is the same, or a digest is pinned");
    }
    if from.host != to.host || owner(&from) != owner(&to) {
        return refused(format!(
            "another image: {to_text} is of another registry or owner than {has}"
        ));
    }
    match image::asked(examination, &to_text)? {
        Answer::Image(ImageAnswer::Exists) => {
            let action = Action::FixImageName(FixImageName {
                container,
                from: has.clone(),
                to: to_text.clone(),
            });
            let reasoning = format!("the registry has {to_text}");
            Some(Ok(step(action, reasoning, Proof::Bounded)))
        }
        Answer::Image(ImageAnswer::NoSuchTag { .. } | ImageAnswer::NoSuchRepository)
        | Answer::Unknown { .. }
        | Answer::Logs(_)
        | Answer::Keys(_)
        | Answer::Bounds(_)
        | Answer::Certificate(_)
        | Answer::Usage(_)
        | Answer::Objects(_) => refused(format!(
            "another image: the registry does not confirm {to_text}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_loads_code_or_leads_traffic_away_is_never_set() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "PATH",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "MAVEN_OPTS",
            "KUBERNETES_SERVICE_HOST",
            "DOTNET_STARTUP_HOOKS",
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "POSTGRES_HOST_AUTH_METHOD",
            "SSL_CERT_FILE",
            "lower",
            "A B",
            "",
            "1A",
        ] {
            assert!(is_settable(name).is_err(), "{name}");
        }
        for name in ["MODE", "CACHE_SIZE", "REDIS_HOST", "A1"] {
            assert!(is_settable(name).is_ok(), "{name}");
        }
        assert!(is_place("REDIS_HOST") && is_place("API_URL") && !is_place("CACHE_SIZE"));
    }

    #[test]
    fn a_name_is_a_word_of_the_log() {
        assert!(names_word("FATAL: CACHE_MODE: unset", "CACHE_MODE"));
        assert!(!names_word("FATAL: OLD_CACHE_MODE: unset", "CACHE_MODE"));
    }

    proptest! {
        #[test]
        fn no_setting_is_an_address_a_path_or_a_command(value in ".{0,40}") {
            if is_setting(&value) {
                prop_assert!(!value.contains(['.', '/', ':', ' ', '$', '`', ';', '@', '%']));
            }
        }
    }
}
