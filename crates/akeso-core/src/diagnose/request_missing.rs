//! Fault `autoscaler-without-requests`: an autoscaler scales by a percentage of what a container
//! requests, and the container requests nothing. Where all pods have run for long enough, what they
//! use says what they may request.

use jiff::SignedDuration;

use super::{
    Diagnosis, Examination, Family, Fault, Remedy,
    measured::{bounds, fits, within},
};
use crate::{
    act::{Action, Requested, SetRequest},
    cluster::{Controller, Workload},
    evidence::Answer,
    observe::{
        Flaw, Symptom,
        unscaled::{Lacking, Told, usage_in},
    },
    plan::{Origin, Proof, Step, requests::request},
};

pub(super) const FAULT: Fault = Fault {
    name: "autoscaler-without-requests",
    family: Family::Autoscaling,
    signs: "a HorizontalPodAutoscaler scales by a percentage of what a container requests, and the container requests nothing (`FailedGetResourceMetric`)",
    does: "names the container and the resource; proposes twice the most that was measured on any pod, where the metrics API has measured every container on every pod when all had been ready for five minutes",
    never: "makes a request up: not for pods that are idle or young, nor by a measure that is not there; what was measured once asks first, unless the level is `full` or the policy says otherwise",
    diagnose,
};

const WHY: &str = "give the container a request, or scale by an averageValue";
/// Pods that are always younger than what can be measured are told of nevertheless.
const LONGEST: SignedDuration = SignedDuration::from_mins(15);

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let found = examination.flawed(&FAULT, symptom, Flaw::NoRequests, (95, WHY))?;
    match examination.workload.controller {
        Controller::Support(_) => of_autoscaler(examination, symptom, found),
        Controller::Deployment(_)
        | Controller::StatefulSet(_)
        | Controller::DaemonSet(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Pod(_) => of_workload(examination, symptom, found),
    }
}

/// The autoscaler itself is not changed: what it scales has the incident, if that can be mended.
fn of_autoscaler(
    examination: &Examination<'_>,
    symptom: &Symptom,
    mut found: Diagnosis,
) -> Option<Diagnosis> {
    let Some((target, lacking)) = Lacking::of_scaler(examination.workload) else {
        return Some(found); // nobody can mend it there
    };
    let unknown = |why: &str| {
        let why = format!("{WHY}; what its pods use is not known: {why}");
        examination.person(symptom, &why)
    };
    found.remedy = match examination.ask(usage_in(&target))? {
        Answer::Usage(usage) => match lacking.told(&target, usage, examination.now) {
            Told::Enough => {
                found.caused_by = Some(target.reference.clone());
                return Some(found);
            }
            Told::Soon if !lacking.has_lasted(LONGEST, examination.now) => Remedy::Wait {
                why: "what its pods use is measured when they have been ready for five minutes"
                    .to_owned(),
            },
            Told::Soon => unknown("they are made anew all the time"),
            Told::Nothing(why) => unknown(&why),
        },
        Answer::Unknown { why } => unknown(why),
        Answer::Logs(_)
        | Answer::Image(_)
        | Answer::Keys(_)
        | Answer::Bounds(_)
        | Answer::Certificate(_)
        | Answer::Objects(_) => unknown("something else was told"),
    };
    Some(found)
}

fn of_workload(
    examination: &Examination<'_>,
    symptom: &Symptom,
    mut found: Diagnosis,
) -> Option<Diagnosis> {
    let workload = examination.workload;
    let Some(lacking) = Lacking::of(workload) else {
        return Some(found);
    };
    found = found.with_detail(lacking.resource.as_str());
    let bounds = bounds(examination)?;
    let step = match examination.ask(usage_in(workload))? {
        Answer::Usage(usage) => lacking.peaks(workload, usage).and_then(|peaks| {
            let set = requested(workload, &lacking, &peaks, bounds);
            let set = set.ok_or("twice of it is not within limits and LimitRange")?;
            let resource = lacking.resource;
            if !fits(examination, resource, &set.requests) {
                return Err("twice of it fits on no node".to_owned());
            }
            let used = lacking.containers.iter().zip(&peaks).map(|(it, peak)| {
                format!("{it} uses {resource} {}", resource.quantity(*peak))
            });
            let used: Vec<_> = used.collect();
            let pods = workload.pods.len();
            let reasoning = format!(
                "{} at the most, measured on {pods} pod(s) that had been ready for five minutes; the request is twice that",
                used.join(", ")
            );
            Ok((set, reasoning))
        }),
        Answer::Unknown { why } => Err(why.clone()),
        Answer::Logs(_)
        | Answer::Image(_)
        | Answer::Keys(_)
        | Answer::Bounds(_)
        | Answer::Certificate(_)
        | Answer::Objects(_) => Err("something else was told".to_owned()),
    };
    found.remedy = match (step, found.remedy) {
        (Ok((set, reasoning)), Remedy::Person(otherwise)) => Remedy::Steps {
            steps: vec![Step {
                action: Action::SetRequest(set),
                reasoning,
                origin: Origin::Playbook,
                proof: Proof::Bounded,
            }],
            otherwise,
        },
        (Err(why), Remedy::Person(_)) => examination.person(
            symptom,
            &format!("{WHY}; what is measured does not say which: {why}"),
        ),
        (_, remedy @ (Remedy::Steps { .. } | Remedy::Wait { .. })) => remedy,
    };
    Some(found)
}

fn requested(
    workload: &Workload<'_>,
    lacking: &Lacking,
    peaks: &[u64],
    bounds: crate::evidence::Bounds,
) -> Option<SetRequest> {
    let resource = lacking.resource;
    let requests = lacking.containers.iter().zip(peaks).map(|(it, peak)| {
        let (_, container) = workload.container(it)?;
        let to = request(resource, *peak, within(container, resource, bounds))?;
        Some(Requested {
            container: it.clone(),
            from: None,
            to: resource.quantity(to),
        })
    });
    Some(SetRequest {
        resource,
        requests: requests.collect::<Option<_>>()?,
    })
}
