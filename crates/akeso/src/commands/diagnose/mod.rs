//! `akeso diagnose`: one workload, together with a person: the cause, the evidence, the plan; then
//! approve, reject, another value, or why; the verification live; and a way back.
//!
//! The choice is made from a scan that can change nothing. Then an engine works on the store as the
//! monitor does, restricted to the chosen workload and asking before every step
//! ([`Settings::attended`](akeso_core::policy::Settings)): whatever the gate refuses stays refused.

mod choose;
mod conversation;
mod decide;
mod edit;
mod follow;
mod session_log;
mod show;
mod why;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use akeso_core::{
    engine::{Engine, Ledger},
    observe::IGNORE,
    policy::Autonomy,
    severity::Severity,
    workload::WorkloadRef,
};
use akeso_kube::{ConnectError, Connected, Hands, Scope};
use anyhow::bail;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};

use super::{Place, connection, monitor::check_permissions, open_store, settings, store_path};
use crate::{
    cli::{Diagnose, Format, Global},
    configuration::{Configuration, Said},
    drive::{Drive, Until},
    model::Endpoint,
    report::{Reporter, line},
    store::{Reader, is_written},
    write_ahead::WriteAhead,
};
use choose::{Names, NotFound};
use conversation::{Answer, Conversation, choose, confirm};
use decide::Decider;
use follow::{Follower, RECHECK, Told};
use session_log::SessionLog;
use show::Candidate;

const WHICH_NAMESPACE: &str = "Which namespace?";

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The workload is well.
    Well,
    /// It is not, or not known to be.
    Ill,
}

/// Diagnoses one workload with a person. Exit code 0: it is well, 1: it is not.
pub async fn run(global: &Global, arguments: Diagnose) -> anyhow::Result<ExitCode> {
    if global.output == Format::Json {
        bail!("a conversation has no JSON form; `akeso scan -o json` tells what is broken and why");
    }
    let store = store_path(global);
    if is_written(&store) {
        bail!(
            "a monitor runs on the store {}, and only one can decide; `akeso incidents list --store {0}` shows what it knows, and `akeso approve` or `akeso reject` answers what it asks; or stop it, or give this one another --store",
            store.display()
        );
    }
    let log = log_path(&arguments, &store);
    let mut talk = Conversation::new(SessionLog::new(log));
    let end = Box::pin(session(global, arguments, &store, &mut talk)).await;
    if let Err(error) = &end {
        talk.ended(&format!("{error:#}"));
    }
    talk.close();
    Ok(match end? {
        End::Well => ExitCode::SUCCESS,
        End::Ill => ExitCode::FAILURE,
    })
}

fn log_path(arguments: &Diagnose, store: &Path) -> Option<PathBuf> {
    let chosen = arguments.session_log.clone();
    let path = chosen.unwrap_or_else(|| SessionLog::default_path(store, Timestamp::now()));
    (!arguments.no_session_log).then_some(path)
}

async fn session(
    global: &Global,
    arguments: Diagnose,
    store: &Path,
    talk: &mut Conversation,
) -> anyhow::Result<End> {
    let mut configuration = Configuration::load(Said::default(), arguments.policy.as_deref())?;
    let model = Endpoint::from(&arguments.model)?;
    if arguments.namespace.is_none() {
        talk.can_ask(WHICH_NAMESPACE, "--namespace NAME")?;
    }
    let connected = akeso_kube::connect(&connection(global)).await?;
    let Some(place) = find_place(connected, &arguments, talk).await? else {
        return Ok(End::Ill);
    };
    let Some(workload) = find_workload(&place, &arguments, &configuration, store, talk).await?
    else {
        return Ok(End::Ill);
    };
    let workload = match workload {
        Chosen::Broken(workload) => workload,
        Chosen::Well => return Ok(End::Well),
    };
    configuration.base = settings(Autonomy::Standard, &place.scope); // its policy is not used
    configuration.base.model = model.as_ref().map(|it| it.model().to_owned());
    configuration.base.attended = Some(workload.clone());
    check_permissions(&place, &mut configuration).await;

    let store_file = open_store(global, store)?;
    let journal = store_file.journal()?;
    let engine = Engine::restore_after(journal.sealed, configuration.settings(), &journal.entries)?;
    let hands = Hands::start(
        place.connected.client,
        &place.scope,
        &place.access,
        place.mirrors,
    );
    let (told, entries) = Told::new();
    let ahead = WriteAhead::new(Some(store_file));
    let mut drive = Drive::new(engine, hands, ahead, Box::new(told), RECHECK);
    // what people have asked for by a command waits for the monitor: it may be about any workload
    drive.model = model;
    drive.configuration = Some(configuration);
    let follower = Follower::new(drive, entries, workload, &journal.entries);
    Decider::new(follower, &arguments).run(talk).await
}

/// The namespace that is named, or chosen; nothing if the person has left.
async fn find_place(
    connected: Connected,
    arguments: &Diagnose,
    talk: &mut Conversation,
) -> anyhow::Result<Option<Place>> {
    let mut namespace = arguments.namespace.clone();
    loop {
        let Some(name) = namespace else {
            namespace = match choose_namespace(&connected, talk).await? {
                Answer::Given(name) => Some(name),
                Answer::Left => return Ok(None),
            };
            continue;
        };
        let scope = Scope::Namespace(name);
        match connected.access(&scope).await {
            Ok(access) => {
                let mirrors = arguments.registry_mirror.iter().cloned().collect();
                return Ok(Some(Place {
                    connected,
                    scope,
                    access,
                    mirrors,
                }));
            }
            Err(ConnectError::NoNamespace { name, similar }) if talk.has_terminal() => {
                let problem = format!("there is no namespace `{name}`");
                namespace = match did_you_mean(similar, &problem, talk).await? {
                    Answer::Given(meant) => meant,
                    Answer::Left => return Ok(None),
                };
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The name that was meant, if it is the one that is close to what was typed.
async fn did_you_mean(
    similar: Option<String>,
    problem: &str,
    talk: &mut Conversation,
) -> anyhow::Result<Answer<Option<String>>> {
    let Some(similar) = similar else {
        talk.say(&format!("{problem}\n"));
        return Ok(Answer::Given(None));
    };
    let question = format!("{problem}. Did you mean {similar}?");
    Ok(match confirm(&question, true).await? {
        Answer::Given(is_meant) => {
            talk.keep(&question, if is_meant { "yes" } else { "no" });
            Answer::Given(is_meant.then_some(similar))
        }
        Answer::Left => Answer::Left,
    })
}

async fn choose_namespace(
    connected: &Connected,
    talk: &mut Conversation,
) -> anyhow::Result<Answer<String>> {
    let all = Api::<Namespace>::all(connected.client.clone());
    let all = all.list_metadata(&ListParams::default()).await;
    let all = all.map_err(|error| {
        anyhow::anyhow!("the namespaces cannot be listed: {error}; give --namespace NAME")
    })?;
    let names = all.items.into_iter().filter_map(|it| it.metadata.name);
    let names: Vec<_> = names.collect();
    let own = names
        .iter()
        .position(|it| *it == connected.default_namespace);
    let start = own.unwrap_or_default();
    let chosen = choose(WHICH_NAMESPACE, names.clone(), start).await?;
    let Answer::Given(index) = chosen else {
        return Ok(Answer::Left);
    };
    let Some(name) = names.into_iter().nth(index) else {
        return Ok(Answer::Left);
    };
    talk.keep(WHICH_NAMESPACE, &name);
    Ok(Answer::Given(name))
}

/// The choice is made from a scan, which tells nothing as it goes.
struct Silent;

impl Reporter for Silent {
    fn entry(&mut self, _: &akeso_core::journal::Entry) {}
    fn begun(&mut self, _: Timestamp) {}
    fn quiet(&mut self) {}
    fn rechecked(&mut self, _: Timestamp) {}
    fn close(&mut self) {}
}

/// What was chosen.
enum Chosen {
    /// Something that is broken, or was being healed.
    Broken(WorkloadRef),
    /// There is nothing to choose.
    Well,
}

/// The workload that is named, or chosen among what is broken; nothing if the person has left.
async fn find_workload(
    place: &Place,
    arguments: &Diagnose,
    configuration: &Configuration,
    store: &Path,
    talk: &mut Conversation,
) -> anyhow::Result<Option<Chosen>> {
    let Scope::Namespace(namespace) = &place.scope else {
        bail!("one namespace is diagnosed at a time; give --namespace NAME");
    };
    talk.say(&format!("Looking at namespace {namespace} …\n"));
    let mut observing = configuration.only_observing();
    observing.namespace = Some(namespace.clone());
    let client = place.connected.client.clone();
    let hands = Hands::start(client, &place.scope, &place.access, place.mirrors.clone());
    let hour = Duration::from_hours(1);
    let ahead = WriteAhead::new(None);
    let engine = Engine::new(observing);
    let mut drive = Drive::new(engine, hands, ahead, Box::new(Silent), hour);
    drive.run(Until::AtRest).await?;
    if !drive.engine.is_at_rest() {
        bail!("left before everything was seen");
    }

    let mut candidates = broken(&drive.engine);
    candidates.extend(being_healed(store, namespace, &candidates)?);
    let mut name = arguments.pod.clone();
    let names = Names::of(drive.engine.cluster(), namespace);
    let refs: Vec<_> = candidates.iter().map(|it| it.workload.clone()).collect();
    while let Some(wanted) = name {
        match names.find(&wanted, &refs) {
            Ok(workload) if refs.contains(&workload) => {
                return Ok(Some(Chosen::Broken(workload)));
            }
            Ok(workload) => {
                let known = drive.engine.cluster().workload(&workload);
                let is_well = known.is_some_and(|it| it.is_well());
                talk.say(&if is_well {
                    format!("{workload} is well: nothing is broken there.\n")
                } else {
                    format!("Nothing is known to be broken in {workload}, and it is not well either: it may be starting, be scaled down or paused, or be left alone ({IGNORE}).\n")
                });
                return Ok(is_well.then_some(Chosen::Well));
            }
            Err(NotFound::Unknown { similar, .. }) if talk.has_terminal() => {
                let problem = format!("there is no pod and no workload `{wanted}`");
                name = match did_you_mean(similar, &problem, talk).await? {
                    Answer::Given(meant) => meant,
                    Answer::Left => return Ok(None),
                };
            }
            Err(error) if talk.has_terminal() => {
                talk.say(&format!("{error}\n"));
                name = None;
            }
            Err(error) => bail!(
                "{error}{}",
                if candidates.is_empty() {
                    String::new()
                } else {
                    format!("; what is broken in {namespace} is {}", list(&refs))
                }
            ),
        }
    }
    choose_candidate(&candidates, namespace, talk).await
}

fn list(workloads: &[WorkloadRef]) -> String {
    let names: Vec<_> = workloads.iter().map(WorkloadRef::kubectl).collect();
    names.join(", ")
}

async fn choose_candidate(
    candidates: &[Candidate],
    namespace: &str,
    talk: &mut Conversation,
) -> anyhow::Result<Option<Chosen>> {
    const QUESTION: &str = "Which one?";
    if candidates.is_empty() {
        talk.say(&format!("Nothing is broken in {namespace}.\n"));
        return Ok(Some(Chosen::Well));
    }
    let width = candidates.iter().map(|it| it.workload.kubectl().len());
    let width = width.max().unwrap_or_default();
    let mut text = show::heading(&format!("Broken in {namespace}"));
    for candidate in candidates {
        let colour = show::colour(candidate.severity);
        line!(
            text,
            "  {colour}{:<width$}{colour:#}  {:<8}  {}",
            candidate.workload.kubectl(),
            candidate.severity.as_str(),
            candidate.cause
        );
    }
    talk.say(&text);
    talk.can_ask(QUESTION, "the name of a pod or a workload")?;
    let options = candidates.iter().map(|it| it.line(width)).collect();
    let Answer::Given(index) = choose(QUESTION, options, 0).await? else {
        return Ok(None);
    };
    let Some(chosen) = candidates.get(index) else {
        return Ok(None);
    };
    talk.keep(QUESTION, &chosen.workload.kubectl());
    Ok(Some(Chosen::Broken(chosen.workload.clone())))
}

/// What a scan has found, the worst first.
fn broken(engine: &Engine) -> Vec<Candidate> {
    let found = engine.ledger().open().map(|incident| {
        let workload = engine.cluster().workload(&incident.workload);
        let known = incident.diagnoses.first();
        let known = known.or(engine.suspected(incident.id).first());
        let symptoms = || {
            let all: Vec<_> = incident.symptoms.iter().map(ToString::to_string).collect();
            format!("{} (seen too seldom so far to say why)", all.join(", "))
        };
        Candidate {
            workload: incident.workload.clone(),
            severity: workload.map_or(Severity::Warning, |workload| {
                Severity::of(&workload, &incident.symptoms)
            }),
            cause: known.map_or_else(symptoms, |it| it.cause.clone()),
        }
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by(|one, other| {
        (other.severity, &one.workload).cmp(&(one.severity, &other.workload))
    });
    found
}

/// What looks well by now and whose change is not verified yet: a session was left, or a monitor
/// stopped.
fn being_healed(
    store: &Path,
    namespace: &str,
    known: &[Candidate],
) -> anyhow::Result<Vec<Candidate>> {
    if !store.exists() {
        return Ok(Vec::new());
    }
    let mut ledger = Ledger::default();
    let journal = Reader::open(store)?.journal()?;
    for entry in &journal.entries {
        ledger.fold(entry);
    }
    let unfinished = ledger.open().filter(|it| {
        it.workload.namespace == namespace
            && it.state.is_between_change_and_verdict()
            && known.iter().all(|known| known.workload != it.workload)
    });
    let unfinished = unfinished.map(|incident| Candidate {
        workload: incident.workload.clone(),
        severity: Severity::Info,
        cause: "a change is not verified yet".to_owned(),
    });
    Ok(unfinished.collect())
}
