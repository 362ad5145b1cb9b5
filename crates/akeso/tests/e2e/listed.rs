//! Every scenario, each in a namespace of its own.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread::sleep,
    time::{Duration, Instant},
};

use akeso_core::{act::ActionKind, journal::Entry, workload::WorkloadRef};
use akeso_sim::scenario::{
    Expected, Expects, STEADY_FOR, Scenario, Score, check, facts, unhealthy,
};

use crate::{account::Account, monitor::Monitor, namespace::Namespace, scenarios, wait_for};

/// The real cluster's images are pulled, and its pods started, by two cores that other tests use
/// as well: what takes simulated seconds may take so many times as long.
const SLOWNESS: u32 = 3;
/// As long as the journal tells nothing new, objects are looked at so often.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

fn run(name: &str) {
    let folder = scenarios().join(name);
    let scenario = Scenario::load(&folder).unwrap();
    let namespace = Namespace::new(&format!("e2e-{name}"));
    let policy = Some(folder.join("policy.yaml")).filter(|policy| policy.exists());
    let settings = scenario.settings();
    let may_grant = settings.policy.names(ActionKind::GrantAccess);
    let flags: &[&str] = if may_grant { &["--grants"] } else { &[] };
    let account = Account::new(&namespace.0, flags);
    let level = settings.policy.autonomy;
    let mut monitor = Monitor::with_policy(account, level, policy);
    let workloads = scenario.workloads(&namespace.0).unwrap();
    namespace.apply(&folder.join("manifest.yaml"));
    if scenario.then.is_some() {
        wait_for(
            "not healthy before then.yaml",
            Duration::from_mins(3),
            || {
                let broken = workloads
                    .iter()
                    .filter_map(|(w, _)| unhealthy(w.kind, namespace.get(w).as_ref()));
                broken.collect()
            },
        );
        sleep(Duration::try_from(STEADY_FOR).unwrap());
        namespace.apply(&folder.join("then.yaml"));
    }
    let within = Duration::try_from(scenario.expect.within).unwrap();
    let failures = |journal: &[Entry], only: &dyn Fn(&Expected) -> bool| -> Vec<String> {
        let chosen = workloads.iter().filter(|(_, expected)| only(expected));
        chosen
            .flat_map(|(workload, expected)| {
                check(
                    workload,
                    expected,
                    journal,
                    namespace.get(workload).as_ref(),
                )
            })
            .collect()
    };
    // what must happen may happen sooner; what must not has the whole time in which not to
    let must_happen = |expected: &Expected| expected.outcome != Expects::LeaveAlone;
    let start = Instant::now();
    let waited = catch_unwind(AssertUnwindSafe(|| {
        let mut known = None;
        wait_for(name, within * SLOWNESS, || {
            let journal = monitor.journal();
            // each look at an object is a kubectl, and many wait at the same time
            if let Some((length, at, wrong)) = &known
                && *length == journal.len()
                && Instant::now() < *at + LOOK_AGAIN
            {
                return Vec::clone(wrong);
            }
            let mut wrong = failures(&journal, &must_happen);
            if !wrong.is_empty() {
                wrong.push(facts(&journal));
            }
            known = Some((journal.len(), Instant::now(), wrong.clone()));
            wrong
        });
    }));
    if let Err(failure) = waited {
        record(&workloads, &monitor.journal());
        resume_unwind(failure);
    }
    if workloads
        .iter()
        .any(|(_, expected)| expected.outcome == Expects::LeaveAlone)
    {
        sleep(within.saturating_sub(start.elapsed()));
    }
    let journal = monitor.journal();
    record(&workloads, &journal);
    let wrong = failures(&journal, &|_| true);
    assert!(
        wrong.is_empty(),
        "{name}:\n{}\n{}",
        wrong.join("\n"),
        facts(&journal)
    );
    monitor.stop();
    monitor.a_restart_changes_nothing();
}

/// Adds the score of a scenario to the file that `bench/scorecard --on-cluster` reads.
fn record(workloads: &[(WorkloadRef, &Expected)], journal: &[Entry]) {
    let Some(path) = std::env::var_os("AKESO_SCORES") else {
        return;
    };
    let line = serde_json::to_string(&Score::of(workloads, journal)).unwrap() + "\n";
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    // in one write, since other tests write as well
    file.write_all(line.as_bytes()).unwrap();
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        const LISTED: &[&str] = &[$($name,)*];
        $(
            #[test]
            #[ignore = "needs a cluster: devcluster/devcluster up"]
            fn $test() {
                run($name);
            }
        )*
    };
}

scenarios! {
    access_bound_elsewhere: "access-bound-elsewhere",
    access_comes_late: "access-comes-late",
    access_forbidden: "access-forbidden",
    access_grant_asks: "access-grant-asks",
    access_grant_secrets: "access-grant-secrets",
    access_grant_shared: "access-grant-shared",
    access_granted: "access-granted",
    access_granted_by_name: "access-granted-by-name",
    access_granted_in_vain: "access-granted-in-vain",
    access_not_granted: "access-not-granted",
    access_role_group: "access-role-group",
    access_role_misspelt: "access-role-misspelt",
    address_in_use: "address-in-use",
    alpine_app: "alpine-app",
    anti_affinity_preferred: "anti-affinity-preferred",
    anti_affinity_refused: "anti-affinity-refused",
    anti_affinity_rollout: "anti-affinity-rollout",
    anti_affinity_too_few_nodes: "anti-affinity-too-few-nodes",
    api_crd_missing: "api-crd-missing",
    api_removed: "api-removed",
    api_unknown_survived: "api-unknown-survived",
    argo_managed: "argo-managed",
    autoscaler_average: "autoscaler-average",
    autoscaler_container: "autoscaler-container",
    autoscaler_daemon_set: "autoscaler-daemon-set",
    autoscaler_external: "autoscaler-external",
    autoscaler_kind: "autoscaler-kind",
    autoscaler_requests: "autoscaler-requests",
    autoscaler_requests_measured: "autoscaler-requests-measured",
    autoscaler_switched_off: "autoscaler-switched-off",
    autoscaler_target: "autoscaler-target",
    autoscaler_twice: "autoscaler-twice",
    bad_fix: "bad-fix",
    bad_rollout: "bad-rollout",
    bare_pod_image: "bare-pod-image",
    budget_bare_pod: "budget-bare-pod",
    budget_blocks: "budget-blocks",
    budget_loose: "budget-loose",
    budget_single: "budget-single",
    budget_unready: "budget-unready",
    budgets_overlap: "budgets-overlap",
    bus_error: "bus-error",
    canary: "canary",
    canary_dies: "canary-dies",
    cause_chain: "cause-chain",
    cause_during_rollout: "cause-during-rollout",
    cause_image: "cause-image",
    cause_memory: "cause-memory",
    cause_selector: "cause-selector",
    cause_shows_later: "cause-shows-later",
    cause_switched_off: "cause-switched-off",
    cause_unrelated: "cause-unrelated",
    certificate_expired: "certificate-expired",
    certificate_expired_once: "certificate-expired-once",
    claim_another_before: "claim-another-before",
    claim_bound: "claim-bound",
    claim_class_missing: "claim-class-missing",
    claim_class_missing_unused: "claim-class-missing-unused",
    claim_for_one: "claim-for-one",
    claim_for_two: "claim-for-two",
    claim_in_use: "claim-in-use",
    claim_missing: "claim-missing",
    claim_misspelt: "claim-misspelt",
    claim_misspelt_asks: "claim-misspelt-asks",
    claim_misspelt_rollout: "claim-misspelt-rollout",
    claim_no_volume: "claim-no-volume",
    claim_no_volume_unused: "claim-no-volume-unused",
    claim_of_another: "claim-of-another",
    claim_typo: "claim-typo",
    claim_volume_name: "claim-volume-name",
    complaints_survived: "complaints-survived",
    completed_job: "completed-job",
    config_decoy: "config-decoy",
    config_in_use: "config-in-use",
    config_misspelt: "config-misspelt",
    config_misspelt_whole: "config-misspelt-whole",
    config_of_another_region: "config-of-another-region",
    crashed_once: "crashed-once",
    credentials_refused: "credentials-refused",
    cronjob_fails_each_run: "cronjob-fails-each-run",
    cronjob_forbid: "cronjob-forbid",
    cronjob_forbid_runs: "cronjob-forbid-runs",
    cronjob_image: "cronjob-image",
    cronjob_leap_day: "cronjob-leap-day",
    cronjob_never_due: "cronjob-never-due",
    cronjob_suspended: "cronjob-suspended",
    daemon_set_awaits: "daemon-set-awaits",
    daemon_set_nowhere: "daemon-set-nowhere",
    decoy_secret: "decoy-secret",
    decoy_tag: "decoy-tag",
    dependency_comes_up: "dependency-comes-up",
    dependency_misnamed: "dependency-misnamed",
    dependency_misspelt: "dependency-misspelt",
    dependency_misspelt_two: "dependency-misspelt-two",
    dependency_wrong_port: "dependency-wrong-port",
    dies_later: "dies-later",
    dns_policy_default: "dns-policy-default",
    ends_well_once: "ends-well-once",
    env_from_secret: "env-from-secret",
    env_from_service: "env-from-service",
    env_removed: "env-removed",
    ephemeral_storage_kept: "ephemeral-storage-kept",
    evicted_for_storage: "evicted-for-storage",
    exits_now_and_then: "exits-now-and-then",
    exits_successfully: "exits-successfully",
    external_address: "external-address",
    external_name: "external-name",
    failed_job: "failed-job",
    file_elsewhere: "file-elsewhere",
    freeze_window: "freeze-window",
    healthy: "healthy",
    healthy_sidecar: "healthy-sidecar",
    host_port_free: "host-port-free",
    host_port_recreate: "host-port-recreate",
    host_port_replicas: "host-port-replicas",
    host_port_taken: "host-port-taken",
    hpa_by_memory: "hpa-by-memory",
    ignored: "ignored",
    image_never_existed: "image-never-existed",
    image_never_pulled: "image-never-pulled",
    image_placeholder: "image-placeholder",
    image_upper_case: "image-upper-case",
    image_with_scheme: "image-with-scheme",
    ingress_backend_typo: "ingress-backend-typo",
    ingress_certificate_early: "ingress-certificate-early",
    ingress_certificate_expired: "ingress-certificate-expired",
    ingress_certificate_host: "ingress-certificate-host",
    ingress_certificate_valid: "ingress-certificate-valid",
    ingress_class_none: "ingress-class-none",
    ingress_healthy: "ingress-healthy",
    ingress_tls_missing: "ingress-tls-missing",
    ingress_tls_opaque: "ingress-tls-opaque",
    ingress_tls_without_key: "ingress-tls-without-key",
    init_crash: "init-crash",
    init_waits: "init-waits",
    init_waits_and_runs: "init-waits-and-runs",
    invalid_value: "invalid-value",
    invalid_value_rollout: "invalid-value-rollout",
    invalid_value_secret: "invalid-value-secret",
    job_account_missing: "job-account-missing",
    job_backoff: "job-backoff",
    job_deadline: "job-deadline",
    job_kept_running: "job-kept-running",
    job_rerun: "job-rerun",
    job_rerun_asks: "job-rerun-asks",
    job_rerun_once: "job-rerun-once",
    job_two_workers: "job-two-workers",
    limit_range_allows: "limit-range-allows",
    limit_range_default: "limit-range-default",
    limit_range_default_unused: "limit-range-default-unused",
    limit_range_forbids: "limit-range-forbids",
    memory_hungry: "memory-hungry",
    memory_hungry_v2: "memory-hungry-v2",
    memory_leak: "memory-leak",
    memory_without_unit: "memory-without-unit",
    missing_configmap: "missing-configmap",
    missing_key: "missing-key",
    mysql_client: "mysql-client",
    mysql_client_asks: "mysql-client-asks",
    network_policy_allows: "network-policy-allows",
    network_policy_denies: "network-policy-denies",
    no_room: "no-room",
    no_room_for_a_moment: "no-room-for-a-moment",
    no_space_left: "no-space-left",
    node_affinity_preferred: "node-affinity-preferred",
    node_affinity_typo: "node-affinity-typo",
    node_affinity_unmatched: "node-affinity-unmatched",
    node_name_missing: "node-name-missing",
    node_name_present: "node-name-present",
    node_selector_matched: "node-selector-matched",
    node_selector_other: "node-selector-other",
    node_selector_unmatched: "node-selector-unmatched",
    on_delete_broken: "on-delete-broken",
    on_delete_waits: "on-delete-waits",
    operator_owned: "operator-owned",
    option_ignored: "option-ignored",
    optional_key: "optional-key",
    orders_in_log: "orders-in-log",
    other_editor: "other-editor",
    partition_keeps_broken: "partition-keeps-broken",
    paused: "paused",
    permission_denied: "permission-denied",
    pod_affinity_met: "pod-affinity-met",
    pod_affinity_typo: "pod-affinity-typo",
    probe_command_missing: "probe-command-missing",
    probe_extended: "probe-extended",
    probe_extended_in_vain: "probe-extended-in-vain",
    probe_flaps_once: "probe-flaps-once",
    probe_named_port: "probe-named-port",
    probe_port_rollout: "probe-port-rollout",
    probe_slow_starter: "probe-slow-starter",
    probe_too_eager: "probe-too-eager",
    probe_wrong_path: "probe-wrong-path",
    probe_wrong_port: "probe-wrong-port",
    probe_wrong_scheme: "probe-wrong-scheme",
    program_not_found: "program-not-found",
    pull_secret_asks: "pull-secret-asks",
    pull_secret_beside: "pull-secret-beside",
    pull_secret_misnamed: "pull-secret-misnamed",
    pull_secret_of_account: "pull-secret-of-account",
    pull_secret_right: "pull-secret-right",
    pull_secret_unfit: "pull-secret-unfit",
    pull_secret_unneeded: "pull-secret-unneeded",
    pull_secrets_two: "pull-secrets-two",
    pull_without_secret: "pull-without-secret",
    pull_wrong_secret: "pull-wrong-secret",
    quota_blocks: "quota-blocks",
    quota_too_small: "quota-too-small",
    read_only_config: "read-only-config",
    read_only_mount: "read-only-mount",
    read_only_root: "read-only-root",
    read_only_survived: "read-only-survived",
    readiness_misses_peer: "readiness-misses-peer",
    registry_closed: "registry-closed",
    request_too_large_measured: "request-too-large-measured",
    request_too_large_other_image: "request-too-large-other-image",
    requests_add_up: "requests-add-up",
    resource_not_offered: "resource-not-offered",
    restart_after_key_removed: "restart-after-key-removed",
    rollout_dies_later: "rollout-dies-later",
    rollout_host_port: "rollout-host-port",
    rollout_in_progress: "rollout-in-progress",
    rollout_node_selector: "rollout-node-selector",
    rollout_of_crashing: "rollout-of-crashing",
    rollout_recreate: "rollout-recreate",
    rollout_request_and_more: "rollout-request-and-more",
    rollout_request_too_large: "rollout-request-too-large",
    rollout_shell_script: "rollout-shell-script",
    rollout_stateful_set: "rollout-stateful-set",
    rollout_wrong_port: "rollout-wrong-port",
    same_failure_different_fix: "same-failure-different-fix",
    scaled_to_zero: "scaled-to-zero",
    script_not_executable: "script-not-executable",
    script_syntax: "script-syntax",
    script_syntax_python: "script-syntax-python",
    script_syntax_rollout: "script-syntax-rollout",
    secret_misspelt: "secret-misspelt",
    secret_misspelt_trusted: "secret-misspelt-trusted",
    service_port_name: "service-port-name",
    service_port_undeclared: "service-port-undeclared",
    service_selector_outdated: "service-selector-outdated",
    service_selector_track: "service-selector-track",
    service_selector_typo: "service-selector-typo",
    service_without_pods: "service-without-pods",
    shared_memory: "shared-memory",
    shared_memory_mounted: "shared-memory-mounted",
    spread_anyway: "spread-anyway",
    spread_label_missing: "spread-label-missing",
    spread_too_few_domains: "spread-too-few-domains",
    standby: "standby",
    stateful_node_selector: "stateful-node-selector",
    stateful_request_too_large: "stateful-request-too-large",
    statefulset_image: "statefulset-image",
    token_not_mounted: "token-not-mounted",
    token_not_wanted: "token-not-wanted",
    too_many_files: "too-many-files",
    two_faults: "two-faults",
    two_faults_one_unproven: "two-faults-one-unproven",
    unknown_crash: "unknown-crash",
    unschedulable: "unschedulable",
    volume_configmap_missing: "volume-configmap-missing",
    volume_file_misspelt: "volume-file-misspelt",
    volume_host_path: "volume-host-path",
    volume_in_use: "volume-in-use",
    volume_key_missing: "volume-key-missing",
    volume_key_misspelt: "volume-key-misspelt",
    volume_optional: "volume-optional",
    volume_projected: "volume-projected",
    volume_projected_misspelt: "volume-projected-misspelt",
    volume_rollout: "volume-rollout",
    volume_secret_missing: "volume-secret-missing",
    volume_secret_misspelt: "volume-secret-misspelt",
    web_server: "web-server",
    wrong_architecture: "wrong-architecture",
    wrong_architecture_rollout: "wrong-architecture-rollout",
    wrong_argument: "wrong-argument",
    wrong_argument_rollout: "wrong-argument-rollout",
}

#[test]
fn every_scenario_is_run_on_a_real_cluster() {
    let all = Scenario::load_all(&scenarios()).unwrap();
    let is_for_both = |it: &&Scenario| it.expect.simulated_only.is_none();
    let names: Vec<_> = all
        .iter()
        .filter(is_for_both)
        .map(|scenario| scenario.name.as_str())
        .collect();
    assert_eq!(names, LISTED, "list the scenario above, in order");
}

#[test]
fn no_two_scenarios_want_the_same_port_of_the_node_they_share() {
    let mut taken = BTreeMap::new();
    for scenario in Scenario::load_all(&scenarios()).unwrap() {
        let manifests = [Some(scenario.manifest), scenario.then];
        let all = manifests.into_iter().flatten().collect::<String>();
        for port in all.split("hostPort: ").skip(1) {
            let port: String = port.chars().take_while(char::is_ascii_digit).collect();
            let owner = taken.entry(port).or_insert_with(|| scenario.name.clone());
            assert_eq!(*owner, scenario.name, "give them ports of their own");
        }
    }
}
