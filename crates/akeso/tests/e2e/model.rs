//! The language model on a real cluster: a stub of an endpoint that is right, down, slow, limits
//! its callers, or means harm; and a program that nobody else knows a way for.

use std::time::Duration;

use akeso_core::{
    journal::{Entry, Fact},
    policy::Autonomy,
};
use akeso_sim::scenario::facts;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::{
    account::Account, akeso, kubectl, monitor::Monitor, namespace::Namespace, scenarios, wait_for,
};

const PATIENCE: Duration = Duration::from_mins(8);

/// Ends with a word that nobody knows unless it has 200 MB, and writes its password to its log.
const NEEDY: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: alpine:latest
        env: [{name: DOOR, valueFrom: {secretKeyRef: {name: door, key: word}}}]
        command:
        - sh
        - -c
        - |
          echo "knocking with $DOOR"
          limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes)
          if [ "$limit" -lt 200000000 ]; then echo "E1042: arena 0x7f cannot be mapped"; exit 3; fi
          trap 'exit 0' TERM; sleep infinity & wait
        resources: {limits: {memory: 128Mi}}
"#;
const PASSWORD: &str = "swordfish-77-alpha";

/// An endpoint in this process; it ends with the test.
struct Stub {
    runtime: Runtime,
    server: MockServer,
}

impl Stub {
    fn answering(response: ResponseTemplate) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(MockServer::start());
        let mock = Mock::given(path("/v1/chat/completions")).respond_with(response);
        runtime.block_on(mock.mount(&server));
        Self { runtime, server }
    }

    /// What it was sent.
    fn prompts(&self) -> Vec<String> {
        let received = self.runtime.block_on(self.server.received_requests());
        let bodies = received.unwrap().into_iter().map(|request| request.body);
        bodies
            .map(|body| String::from_utf8(body).unwrap())
            .collect()
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AKESO_MODEL", "stub".to_owned()),
            ("AKESO_MODEL_URL", format!("{}/v1", self.server.uri())),
            ("AKESO_MODEL_KEY", "any".to_owned()),
        ]
    }
}

fn saying(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 800, "completion_tokens": 60},
    }))
}

fn suggesting(action: &str, name: &Value, value: &str) -> ResponseTemplate {
    let step =
        json!({"action": action, "name": name, "value": value, "reasoning": "the log says so"});
    saying(&json!({"cause": "its arena does not fit", "steps": [step]}).to_string())
}

/// A namespace, and a monitor there that asks the stub.
fn watched(name: &str, stub: &Stub, policy: &str) -> (Namespace, Monitor) {
    let namespace = Namespace::new(name);
    kubectl(&[
        "-n",
        name,
        "create",
        "secret",
        "generic",
        "door",
        &format!("--from-literal=word={PASSWORD}"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("akeso.yaml");
    std::fs::write(&file, policy).unwrap();
    let mut variables = stub.variables();
    variables.push(("AKESO_POLICY", file.display().to_string()));
    let store = folder.path().join("store.db");
    let account = Account::new(name, &[]);
    let monitor = Monitor::spawn(account, Autonomy::Standard, folder, store, variables);
    (namespace, monitor)
}

fn needy(namespace: &Namespace, monitor: &Monitor, name: &str) {
    let file = monitor.folder.path().join(format!("{name}.yaml"));
    std::fs::write(&file, NEEDY.replace("NAME", name)).unwrap();
    namespace.apply(&file);
}

fn count(journal: &[Entry], wanted: impl Fn(&Fact) -> bool) -> usize {
    journal.iter().filter(|entry| wanted(&entry.fact)).count()
}

fn healed(monitor: &Monitor, wanted: usize) {
    wait_for("not healed", PATIENCE, || {
        let journal = monitor.journal();
        let healed = count(&journal, |fact| matches!(fact, Fact::Learned { .. }));
        if healed >= wanted {
            Vec::new()
        } else {
            vec![facts(&journal), monitor.errors()]
        }
    });
}

/// Why a person was told.
fn told(monitor: &Monitor) -> String {
    let mut found = None;
    wait_for("nobody was told", PATIENCE, || {
        let journal = monitor.journal();
        found = journal.iter().find_map(|entry| match &entry.fact {
            Fact::Escalated { why, .. } => Some(why.clone()),
            _ => None,
        });
        match found {
            Some(_) => Vec::new(),
            None => vec![facts(&journal), monitor.errors()],
        }
    });
    found.unwrap()
}

fn nothing_was_done(monitor: &Monitor) {
    let journal = monitor.journal();
    let done = count(&journal, |fact| matches!(fact, Fact::Intended { .. }));
    assert_eq!(done, 0, "{}", facts(&journal));
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn what_a_model_has_solved_is_learned_and_costs_nothing_the_next_time() {
    let stub = Stub::answering(suggesting("increase_memory", &Value::Null, "256Mi"));
    let (namespace, mut monitor) = watched("e2e-model", &stub, "{}");
    // the kernel kills this one: a playbook knows a way, and nobody is asked
    namespace.apply(&scenarios().join("memory-hungry/manifest.yaml"));
    needy(&namespace, &monitor, "needy");
    healed(&monitor, 2);
    let prompts = stub.prompts();
    assert_eq!(prompts.len(), 1, "{}", facts(&monitor.journal()));
    assert!(
        prompts[0].contains("arena 0x7f cannot be mapped"),
        "{prompts:?}"
    );
    assert!(prompts[0].contains("knocking with [hidden]"), "{prompts:?}");
    assert!(!prompts[0].contains(PASSWORD), "{prompts:?}");

    let incident = monitor
        .journal()
        .into_iter()
        .find_map(|entry| match entry.fact {
            Fact::Consulted { incident, .. } => Some(incident),
            _ => None,
        });
    let shown = akeso()
        .args([
            "incidents",
            "show",
            "--prompt",
            &incident.unwrap().to_string(),
        ])
        .arg("--store")
        .arg(&monitor.store)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("knocking with [hidden]") && shown.contains("It answered"),
        "{shown}"
    );

    let v2 = scenarios().join("memory-hungry-v2/manifest.yaml");
    namespace.apply(&v2);
    needy(&namespace, &monitor, "needy-v2");
    healed(&monitor, 4);
    assert_eq!(stub.prompts().len(), 1, "{}", facts(&monitor.journal()));
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn while_the_model_is_down_the_rest_goes_on() {
    let stub = Stub::answering(ResponseTemplate::new(503));
    let (namespace, mut monitor) = watched("e2e-model-down", &stub, "{}");
    needy(&namespace, &monitor, "needy");
    namespace.apply(&scenarios().join("web-server/manifest.yaml"));
    healed(&monitor, 1);
    let why = told(&monitor);
    assert!(why.contains("503"), "{why}");
    assert_eq!(stub.prompts().len(), 3, "one call, and two more tries");
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn a_model_that_limits_its_callers_is_left_alone() {
    let limited = ResponseTemplate::new(429).insert_header("retry-after", "1");
    let stub = Stub::answering(limited);
    let (namespace, mut monitor) = watched("e2e-model-limited", &stub, "{}");
    needy(&namespace, &monitor, "needy");
    let why = told(&monitor);
    assert!(why.contains("429"), "{why}");
    nothing_was_done(&monitor);
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn a_model_that_is_slow_is_done_without() {
    let slow = suggesting("increase_memory", &Value::Null, "256Mi");
    let stub = Stub::answering(slow.set_delay(Duration::from_mins(5)));
    let (namespace, mut monitor) = watched("e2e-model-slow", &stub, "{}");
    needy(&namespace, &monitor, "needy");
    let why = told(&monitor);
    assert!(why.contains("no answer within"), "{why}");
    nothing_was_done(&monitor);
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn a_model_that_means_harm_does_none() {
    let harm = json!({"cause": "x", "steps": [{"action": "delete_namespace", "name": "kube-system", "value": null, "reasoning": ""}]});
    let stub = Stub::answering(saying(&harm.to_string()));
    let (namespace, mut monitor) = watched("e2e-model-hostile", &stub, "{autonomy: full}");
    needy(&namespace, &monitor, "needy");
    let why = told(&monitor);
    assert!(why.contains("could not be used"), "{why}");
    assert_eq!(stub.prompts().len(), 2, "it may mend its answer once");
    nothing_was_done(&monitor);
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn over_its_budget_nobody_is_asked() {
    let stub = Stub::answering(suggesting("increase_memory", &Value::Null, "256Mi"));
    let (namespace, mut monitor) = watched("e2e-model-spent", &stub, "{model: {dailyTokens: 500}}");
    needy(&namespace, &monitor, "needy");
    let why = told(&monitor);
    assert!(why.contains("dailyTokens"), "{why}");
    assert_eq!(stub.prompts(), Vec::<String>::new());
    nothing_was_done(&monitor);
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn a_person_may_ask_about_the_evidence() {
    let stub = Stub::answering(saying("Its arena does not fit.\nRaise the limit."));
    let namespace = Namespace::new("e2e-model-ask");
    let secret = format!("--from-literal=word={PASSWORD}");
    let create = ["-n", &namespace.0, "create", "secret", "generic", "door"];
    kubectl(&[create.as_slice(), &[secret.as_str()]].concat());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("needy.yaml");
    std::fs::write(&file, NEEDY.replace("NAME", "needy")).unwrap();
    namespace.apply(&file);
    wait_for("it has not failed", PATIENCE, || {
        let restarts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
        let shown = kubectl(&["-n", &namespace.0, "get", "pods", "-o", restarts]);
        let has_failed = shown.parse().is_ok_and(|times: u32| times >= 2);
        if has_failed { Vec::new() } else { vec![shown] }
    });
    let account = Account::new(&namespace.0, &[]);
    let output = akeso()
        .args(["diagnose", "deployment/needy", "-n", &namespace.0])
        .args(["--ask", "What is wrong?", "--reject", "--no-session-log"])
        .arg("--kubeconfig")
        .arg(&account.kubeconfig)
        .arg("--store")
        .arg(folder.path().join("store.db"))
        .env("AKESO_SIGNING_KEY", folder.path().join("key.pem"))
        .envs(stub.variables())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("the model says: Its arena does not fit."),
        "{text}{errors}"
    );
    assert_eq!(output.status.code(), Some(1), "{text}{errors}");
    let asked = stub.prompts().pop().unwrap();
    assert!(
        asked.contains("What is wrong?") && !asked.contains(PASSWORD),
        "{asked}"
    );
}
