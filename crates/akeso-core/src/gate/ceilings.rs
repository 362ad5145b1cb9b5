//! Nothing is raised beyond the policy's ceilings, by whatever action.

use serde_json::Value;

use super::{Decision, Request, Ruling};
use crate::{
    act::{Change, PatchOp},
    quantity::{Bytes, MilliCpu},
};

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let Change::Patch { forward, .. } = request.change else {
        return None;
    };
    forward.iter().find_map(|operation| {
        let (PatchOp::Add { path, value } | PatchOp::Replace { path, value }) = operation else {
            return None;
        };
        too_high(request, path, value, &before(forward, path))
    })
}

/// The value that a path is tested to have before it is written.
fn before(forward: &[PatchOp], written: &str) -> Value {
    let tested = forward.iter().find_map(|operation| match operation {
        PatchOp::Test { path, value } if path == written => Some(value.clone()),
        PatchOp::Test { .. }
        | PatchOp::Add { .. }
        | PatchOp::Replace { .. }
        | PatchOp::Remove { .. } => None,
    });
    tested.unwrap_or_default()
}

/// Looks at a value that is written, and at all that is in it.
fn too_high(request: &Request<'_>, path: &str, value: &Value, before: &Value) -> Option<Ruling> {
    if let Value::Object(members) = value {
        return members.iter().find_map(|(key, member)| {
            too_high(request, &format!("{path}/{key}"), member, &before[key])
        });
    }
    if let Value::Array(items) = value {
        return items.iter().enumerate().find_map(|(index, item)| {
            too_high(request, &format!("{path}/{index}"), item, &before[index])
        });
    }
    let ceilings = &request.settings.policy.ceilings;
    let is_resource = path.contains("/resources/limits/") || path.contains("/resources/requests/");
    let ceiling = match path.rsplit('/').next()? {
        "memory" if is_resource => {
            let (new, old) = (
                Bytes::parse(value.as_str()?).ok()?,
                before.as_str().and_then(|old| Bytes::parse(old).ok()),
            );
            (new > ceilings.memory && old.is_none_or(|old| new > old))
                .then(|| ceilings.memory.to_string())
        }
        "cpu" if is_resource => {
            let (new, old) = (
                MilliCpu::parse(value.as_str()?).ok()?,
                before.as_str().and_then(|old| MilliCpu::parse(old).ok()),
            );
            let most = ceilings.cpu?;
            (new > most && old.is_none_or(|old| new > old)).then(|| most.to_string())
        }
        "replicas" if path == "/spec/replicas" => {
            let (new, old) = (value.as_u64()?, before.as_u64());
            let most = u64::from(ceilings.replicas?);
            (new > most && old.is_none_or(|old| new > old)).then(|| most.to_string())
        }
        _ => None,
    }?;
    let value = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let why = format!("{path} would be {value}, and the policy's ceiling is {ceiling}");
    Some(Ruling::new(Decision::Refuse, "ceilings", why))
}
