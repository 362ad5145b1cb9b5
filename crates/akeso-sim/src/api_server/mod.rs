//! The API server: manifests to objects, defaults, what must not change, and admission.

mod admission;
mod defaults;
mod manifest;
mod rbac;
mod rules;

pub(crate) use admission::{admit, usage};
pub(crate) use defaults::fill_pod;
pub(crate) use manifest::{apply, create_pod};
pub(crate) use rbac::{Right, may};
pub(crate) use rules::{Rules, write_json};
