//! Admission of pods: service accounts, quotas, and of a LimitRange the largest memory limit and
//! what it gives to containers that set none.

use std::collections::BTreeMap;

use akeso_core::{
    cluster::{Key, is_sidecar},
    quantity::{Bytes, MilliCpu},
};
use k8s_openapi::{
    api::core::v1::{Container, LimitRange, Pod, PodSpec, ResourceQuota, ServiceAccount},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::store::Store;

/// What a pod counts for, by the names that quotas use. Memory is in bytes, CPU in thousandths.
pub(crate) fn usage(pod: &Pod) -> BTreeMap<&'static str, u64> {
    let mut usage = BTreeMap::from([("pods", 1), ("count/pods", 1)]);
    let Some(spec) = &pod.spec else { return usage };
    for (name, resource, is_limit) in [
        ("requests.cpu", "cpu", false),
        ("cpu", "cpu", false),
        ("requests.memory", "memory", false),
        ("memory", "memory", false),
        ("limits.cpu", "cpu", true),
        ("limits.memory", "memory", true),
    ] {
        let of = |container: &Container| {
            let resources = container.resources.as_ref();
            let list = resources.and_then(|r| {
                if is_limit {
                    r.limits.as_ref()
                } else {
                    r.requests.as_ref()
                }
            });
            list.and_then(|list| list.get(resource))
                .map_or(0, |quantity| amount(resource, quantity))
        };
        usage.insert(name, of_pod(spec, of));
    }
    usage
}

/// A pod needs the sum of what runs side by side, or what one init container needs before that.
fn of_pod(spec: &PodSpec, of: impl Fn(&Container) -> u64) -> u64 {
    let init = spec.init_containers.iter().flatten();
    let (sidecars, init): (Vec<_>, Vec<_>) = init.partition(|container| is_sidecar(container));
    let together: u64 = spec.containers.iter().chain(sidecars).map(&of).sum();
    together.max(init.into_iter().map(of).max().unwrap_or(0))
}

/// A quantity in the unit of its resource.
fn amount(resource: &str, quantity: &Quantity) -> u64 {
    if resource.ends_with("cpu") {
        MilliCpu::parse(&quantity.0).map_or(0, MilliCpu::get)
    } else {
        Bytes::parse(&quantity.0).map_or(0, Bytes::get)
    }
}

fn shown(resource: &str, amount: u64) -> String {
    if resource.ends_with("memory") {
        Bytes::new(amount).to_string()
    } else if resource.ends_with("cpu") && !amount.is_multiple_of(1_000) {
        format!("{amount}m")
    } else if resource.ends_with("cpu") {
        (amount / 1_000).to_string()
    } else {
        amount.to_string()
    }
}

/// Whether a namespace takes a new pod, which its `ServiceAccount` gives its pull secrets if it names
/// none; if not, why.
pub(crate) fn admit(store: &Store, pod: &mut Pod) -> Result<(), String> {
    give_pull_secrets(store, pod);
    give_limits(store, pod);
    is_admitted(store, pod)
}

fn give_limits(store: &Store, pod: &mut Pod) {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let ranges = store.list::<LimitRange>(namespace);
    let items = ranges
        .filter_map(|range| range.spec.as_ref())
        .flat_map(|it| &it.limits);
    for item in items.filter(|item| item.type_ == "Container") {
        for container in pod.spec.iter_mut().flat_map(containers_mut) {
            let own = container.resources.get_or_insert_default();
            for (defaults, own) in [
                (&item.default, &mut own.limits),
                (&item.default_request, &mut own.requests),
            ] {
                for (resource, quantity) in defaults.iter().flatten() {
                    let own = own.get_or_insert_default();
                    own.entry(resource.clone())
                        .or_insert_with(|| quantity.clone());
                }
            }
        }
    }
}

fn containers_mut(spec: &mut PodSpec) -> impl Iterator<Item = &mut Container> {
    let init = spec.init_containers.iter_mut().flatten();
    init.chain(&mut spec.containers)
}

fn give_pull_secrets(store: &Store, pod: &mut Pod) {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let Some(spec) = &mut pod.spec else { return };
    let account = spec.service_account_name.as_deref().unwrap_or("default");
    let account = store.get::<ServiceAccount>(&Key::new(namespace, account));
    if spec.image_pull_secrets.as_ref().is_none_or(Vec::is_empty) {
        spec.image_pull_secrets = account.and_then(|it| it.image_pull_secrets.clone());
    }
}

fn is_admitted(store: &Store, pod: &Pod) -> Result<(), String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let refused = |why: String| Err(format!("pods \"{name}\" is forbidden: {why}"));
    let account = pod
        .spec
        .as_ref()
        .and_then(|it| it.service_account_name.as_deref());
    // every namespace has a `default`
    if let Some(account) = account.filter(|account| *account != "default")
        && store
            .get::<ServiceAccount>(&Key::new(namespace, account))
            .is_none()
    {
        return refused(format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        ));
    }
    if let Some(why) = store
        .list::<LimitRange>(namespace)
        .find_map(|range| above_maximum(range, pod))
    {
        return refused(why);
    }
    if let Some(why) = above_limit(pod) {
        return Err(format!("Pod \"{name}\" is invalid: {why}"));
    }
    let requested = usage(pod);
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    for other in store.list::<Pod>(namespace).filter(|pod| counts(pod)) {
        for (resource, amount) in usage(other) {
            *used.entry(resource).or_default() += amount;
        }
    }
    for quota in store.list::<ResourceQuota>(namespace) {
        let hard = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
        for (resource, limit) in hard.into_iter().flatten() {
            let Some(requested) = requested.get(resource.as_str()).copied() else {
                continue;
            };
            let used = used.get(resource.as_str()).copied().unwrap_or(0);
            let limit = amount(resource, limit);
            if requested > 0 && used + requested > limit {
                let [requested, used, limit] = [requested, used, limit].map(|n| shown(resource, n));
                let quota = quota.metadata.name.as_deref().unwrap_or_default();
                return refused(format!(
                    "exceeded quota: {quota}, requested: {resource}={requested}, used: {resource}={used}, limited: {resource}={limit}"
                ));
            }
        }
    }
    Ok(())
}

/// Quotas count the pods that have not ended.
fn counts(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// A request that is larger than the container's limit, in the words of the API server.
fn above_limit(pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let init = spec.init_containers.iter().flatten().enumerate();
    let main = spec.containers.iter().enumerate();
    let named = init
        .map(|it| ("initContainers", it))
        .chain(main.map(|it| ("containers", it)));
    named.into_iter().find_map(|(list, (index, container))| {
        let resources = container.resources.as_ref()?;
        let (requests, limits) = (resources.requests.as_ref()?, resources.limits.as_ref()?);
        requests.iter().find_map(|(resource, request)| {
            let limit = limits.get(resource)?;
            (amount(resource, request) > amount(resource, limit)).then(|| {
                format!(
                    "spec.{list}[{index}].resources.requests: Invalid value: \"{}\": must be less than or equal to {resource} limit of {}",
                    request.0, limit.0
                )
            })
        })
    })
}

fn above_maximum(range: &LimitRange, pod: &Pod) -> Option<String> {
    let items = range
        .spec
        .as_ref()
        .map(|spec| spec.limits.as_slice())
        .unwrap_or_default();
    let most = items.iter().filter(|item| item.type_ == "Container");
    let most = most
        .filter_map(|item| item.max.as_ref()?.get("memory"))
        .min_by_key(|q| amount("memory", q))?;
    let limits = pod.spec.iter().flat_map(|spec| &spec.containers);
    let limits =
        limits.filter_map(|container| container.resources.as_ref()?.limits.as_ref()?.get("memory"));
    let above = limits
        .into_iter()
        .find(|limit| amount("memory", limit) > amount("memory", most))?;
    Some(format!(
        "maximum memory usage per Container is {}, but limit is {}",
        most.0, above.0
    ))
}
