use std::{fs, path::Path};

use akeso_core::{gate::Decision, policy::Autonomy};

use super::*;

/// Everything that is wrong, each as `LINE:COLUMN: KEY: message; did you mean ...`.
fn wrong(text: &str) -> Vec<String> {
    let findings = parse(text).unwrap_err();
    let told = findings
        .iter()
        .map(|finding| format!("{}:{}: {finding}", finding.line, finding.column));
    told.collect()
}

#[test]
fn what_yaml_or_serde_refuses_is_told_with_its_place_its_key_and_what_was_meant() {
    for (text, told) in [
        // unknown keys, at every depth
        (
            "autnomy: full",
            "1:1: autnomy: there is no key `autnomy` here; did you mean `autonomy`?",
        ),
        (
            "budgets:\n  workload:\n    failurs: 3",
            "3:5: budgets.workload.failurs: there is no key `failurs` here; did you mean `failures`?",
        ),
        (
            "namespaces:\n- names: [a]\n- nams: [b]",
            "3:3: namespaces[1].nams: there is no key `nams` here; did you mean `names`?",
        ),
        (
            "storm: {unlike: 3}",
            "1:9: storm.unlike: there is no key `unlike` here; the keys here are sharePercent, atLeast, within, quietFor",
        ),
        // unknown words
        (
            "autonomy: ful",
            "1:11: autonomy: `ful` is none of observe, cautious, standard, full; did you mean `full`?",
        ),
        (
            "autonomy:",
            "1:9: autonomy: a value is missing: write one of observe, cautious, standard, full",
        ),
        (
            "actions:\n  restart_pods: ask",
            "2:3: actions.restart_pods: `restart_pods` is none of fix_image_name, update_env, increase_memory, restart_pod, rollback_to_revision, fix_reference, fix_probe, fix_node_selector, fix_service, fix_ingress, fix_claim, add_pull_secret, grant_access, set_request, rerun_job, extend_probe; did you mean `restart_pod`?",
        ),
        (
            "namespaces:\n- names: [a]\n  actions:\n    restart_pod: asc",
            "4:18: namespaces[0].actions.restart_pod: `asc` is none of never, ask, act; did you mean `ask`?",
        ),
        (
            "freeze:\n- name: x\n  days: [satt]",
            "3:10: freeze[0].days[0]: `satt` is none of mon, tue, wed, thu, fri, sat, sun; did you mean `sat`?",
        ),
        // wrong values
        (
            "ceilings:\n  memory: 4Gb",
            "2:11: ceilings.memory: `4Gb` is not a Kubernetes quantity: write a number with one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent; did you mean `4Gi`?",
        ),
        (
            "approvals:\n  expireAfter: soon",
            "2:16: approvals.expireAfter: `soon` is no duration: write for instance 90s, 30m or 24h",
        ),
        (
            "approvals:\n  expireAfter: 60",
            "2:16: approvals.expireAfter: `60` is no duration: write for instance 90s, 30m or 24h",
        ),
        (
            "freeze:\n- name: x\n  days: [sat]\n  timeZone: Europe/Berlni",
            "4:13: freeze[0].timeZone: there is no time zone `Europe/Berlni`: write an IANA name, for instance Europe/Berlin or UTC; did you mean `Europe/Berlin`?",
        ),
        (
            "freeze:\n- name: x\n  from: '25:00'",
            "3:9: freeze[0].from: `25:00` is not a time of day: write for instance \"18:00\"",
        ),
        (
            "freeze:\n- days: [sat]",
            "2:3: freeze[0]: the key `name` is missing",
        ),
        (
            "allowedNamespaces: [shop, Team]",
            "1:27: allowedNamespaces[1]: `Team` matches no namespace: write lower-case letters, digits and -, with * and ? as wildcards",
        ),
        (
            "storm:\n  sharePercent: 300",
            "2:17: storm.sharePercent: `300` is not a whole number from 0 to 255",
        ),
        (
            "trustNamespaceLabels: maybe",
            "1:23: trustNamespaceLabels: `maybe` is not a truth value: write true or false",
        ),
        (
            "namespaces:\n- names: shop",
            "2:10: namespaces[0].names: a list is expected here, as in `[shop, blog-*]`",
        ),
        // what is no policy at all
        (
            "autonomy: full\nautonomy: full",
            "2:1: autonomy: this key is given twice: keep one of them",
        ),
        (
            "- autonomy: full",
            "1:1: keys with values are expected here, as in `autonomy: standard`",
        ),
        (
            "just text",
            "1:1: keys with values are expected here, as in `autonomy: standard`",
        ),
        (
            "autonomy: full\n---\nautonomy: full",
            "3:1: a policy is one YAML document: remove the `---` and what follows",
        ),
        ("autonomy: [", "1:11: unclosed bracket '['"),
    ] {
        assert_eq!(wrong(text), [told], "{text}");
    }
}

#[test]
fn what_nobody_means_is_told_all_at_once_in_the_order_of_the_file() {
    let text = "\
namespaces:
- autonomy: observe
- names: [shop]
- names: [shop-*]
  autonomy: cautious
- names: [shop-a, shop-b*]
  autonomy: full
- names: [x]
  selector: {matchLabel: {a: b}}
  autonomy: full
- selector: {matchExpressions: [{key: a, operator: in, values: [b]}, {key: c, operator: In}, {operator: Exists}]}
  autonomy: full
ceilings: {memory: 4}
budgets:
  workload: {failures: 0, closedFor: 2h, longest: 1h}
  namespace: {perHour: 0}
storm: {sharePercent: 101, within: 0s}
approvals: {expireAfter: -1h}
gates:
- {name: a, when: 'true', decision: execute}
- {name: a, when: 'true', decision: wait}
- {name: b, when: 'wrkload.name == \"x\"', decision: ask}
";
    let told = wrong(text);
    let begins: Vec<_> = told
        .iter()
        .map(|line| line.splitn(4, ": ").take(2).collect::<Vec<_>>().join(": "))
        .collect();
    assert_eq!(
        begins,
        [
            "2:3: namespaces[0]",
            "3:3: namespaces[1]",
            "6:3: namespaces[3]",
            "9:14: namespaces[4].selector.matchLabel",
            "11:42: namespaces[5].selector.matchExpressions[0].operator",
            "11:70: namespaces[5].selector.matchExpressions[1]",
            "11:94: namespaces[5].selector.matchExpressions[2]",
            "13:12: ceilings.memory",
            "15:14: budgets.workload.failures",
            "15:42: budgets.workload.longest",
            "16:15: budgets.namespace.perHour",
            "17:9: storm.sharePercent",
            "17:28: storm.within",
            "18:13: approvals.expireAfter",
            "20:27: gates[0].decision",
            "21:4: gates[1].name",
            "21:27: gates[1].decision",
            "22:13: gates[2].when",
        ],
        "{told:#?}"
    );
    let all = told.join("\n");
    for meant in ["`matchLabels`", "`In`", "`4Gi`", "`workload`"] {
        assert!(
            all.contains(&format!("did you mean {meant}?")),
            "{meant}\n{all}"
        );
    }
}

#[test]
fn a_wider_rule_hides_only_what_it_surely_matches() {
    let hides = |first: &str, second: &str| {
        let text = format!(
            "namespaces: [{{names: [{first}], autonomy: full}}, {{names: [{second}], autonomy: observe}}]"
        );
        parse(&text).is_err()
    };
    assert!(hides("'*'", "shop") && hides("shop", "shop") && hides("'s*'", "'shop-*'"));
    assert!(
        !hides("shop", "'shop*'") && !hides("'shop-?'", "'shop-*'") && !hides("shop", "shop, blog")
    );
    let after_all = "namespaces: [{names: ['*'], autonomy: full}, {selector: {matchLabels: {a: b}}, autonomy: observe}]";
    assert!(wrong(after_all)[0].contains("never reached"));
    let by_label = "namespaces: [{names: [shop], selector: {matchLabels: {a: b}}, autonomy: full}, {names: [shop], autonomy: observe}]";
    assert!(parse(by_label).is_ok());
}

#[test]
fn a_document_that_grows_without_end_is_not_read() {
    let mut text = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, last) in ('b'..='h').zip('a'..) {
        let aliases = vec![format!("*{last}"); 9].join(",");
        text = format!("{text}{name}: &{name} [{aliases}]\n");
    }
    let told = wrong(&text);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("this is more than a policy can be"),
        "{told:?}"
    );
    assert_eq!(told[0].lines().count(), 1);
}

#[test]
fn an_empty_file_is_the_defaults() {
    for text in ["", "\n\n", "# nothing yet\n", "---\n"] {
        assert_eq!(parse(text).unwrap().policy, Policy::default(), "{text:?}");
    }
}

#[test]
fn a_file_is_read_whole_with_its_gates_ready_to_be_asked() {
    let file = parse(
        "autonomy: cautious\ngates:\n- name: no-friday\n  when: ns.name == 'shop'\n  decision: refuse\n",
    )
    .unwrap();
    assert_eq!(file.policy.autonomy, Autonomy::Cautious);
    assert_eq!(file.gates.len(), 1);
    assert_eq!(file.gates[0].rule.decision, Decision::Refuse);
}

#[test]
fn a_file_that_cannot_be_read_is_another_error_than_one_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let missing = load(&folder.path().join("none.yaml")).unwrap_err();
    assert!(matches!(missing, Unusable::Unreadable { .. }), "{missing}");
    assert!(matches!(
        load(folder.path()),
        Err(Unusable::Unreadable { .. })
    ));

    let path = folder.path().join("latin.yaml");
    fs::write(&path, b"autonomy: full\n# caf\xe9\n").unwrap();
    let latin = load(&path).unwrap_err().to_string();
    assert!(
        latin.contains("latin.yaml:2:1: this is not UTF-8 text"),
        "{latin}"
    );
}

#[test]
fn a_summary_says_what_holds_now() {
    let file = parse(
        "actions: {restart_pod: ask}\nallowedNamespaces: [kube-system, shop-*]\nprotectedNamespaces: [vault]\n\
         namespaces: [{names: [shop-prod], autonomy: observe, credentialPlaceholders: ask}]\n\
         freeze: [{name: weekend, days: [sat, sun], timeZone: Europe/Berlin}]\n\
         gates: [{name: big, when: workload.replicas > 10, decision: ask}]\n",
    )
    .unwrap();
    let at = |now: &str| summary(&file.policy, now.parse().unwrap());
    let saturday = at("2026-11-21T12:00:00Z");
    for line in [
        "Autonomy:   standard, restart_pod: ask",
        "            namespaces[0]: shop-prod: observe, placeholders for credentials: ask",
        "Namespaces: kube-system, shop-*, but not kube-public, kube-node-lease, akeso-system, vault and Akeso's own",
        "Freeze:     weekend: sat, sun 00:00 to 24:00 (Europe/Berlin), now",
        "            nothing is changed now, until 2026-11-22T23:00:00Z",
        "Gate:       big: ask where workload.replicas > 10",
    ] {
        assert!(
            saturday.lines().any(|found| found == line),
            "{line}\n{saturday}"
        );
    }
    assert!(at("2026-11-23T12:00:00Z").contains("none of them is now"));
}

#[test]
fn a_finding_is_written_as_compilers_write_it() {
    let finding = &parse("autnomy: full").unwrap_err()[0];
    assert_eq!(
        finding.in_file(Path::new("akeso.yaml")),
        "akeso.yaml:1:1: autnomy: there is no key `autnomy` here; did you mean `autonomy`?"
    );
}

const PAGE: &str = include_str!("../../../../docs/policy.md");
const README: &str = include_str!("../../../../README.md");

#[test]
fn every_policy_that_the_documentation_shows_can_be_used() {
    let after = |page: &'static str| page.split("```yaml\n").skip(1);
    let blocks = after(PAGE).chain(after(README));
    let policies: Vec<_> = blocks
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.starts_with("# akeso.yaml"))
        .collect();
    assert_eq!(policies.len(), 2);
    for text in policies {
        assert!(parse(text).is_ok(), "{:#?}", wrong(text));
    }
}

/// The keys below a value that hold no further keys, each with its value.
fn leaves(path: &str, value: &serde_json::Value, found: &mut Vec<(String, serde_json::Value)>) {
    match value.as_object() {
        Some(members) if !members.is_empty() => {
            for (key, value) in members {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(&path, value, found);
            }
        }
        _ => found.push((path.to_owned(), value.clone())),
    }
}

#[test]
fn every_key_is_on_the_page_with_its_default() {
    let defaults = serde_json::to_value(Policy::default()).unwrap();
    let mut keys = Vec::new();
    leaves("", &defaults, &mut keys);
    for (key, default) in keys {
        let row = PAGE
            .lines()
            .find(|line| line.starts_with(&format!("| `{key}` |")));
        let row = row.unwrap_or_else(|| panic!("no row for {key}"));
        let told = row.split(" | ").nth(2).unwrap().trim_matches('`');
        // read back as it is told, it is the default
        let mut text = told.to_owned();
        for parent in key.rsplit('.') {
            text = format!("{{{parent}: {text}}}");
        }
        let read: Policy = serde_saphyr::from_str(&text).unwrap();
        let read = serde_json::to_value(read).unwrap();
        let pointer = format!("/{}", key.replace('.', "/"));
        assert_eq!(read.pointer(&pointer), Some(&default), "{key}");
        assert!(
            !told.is_empty() && row.split(" | ").nth(3).is_some(),
            "{key}"
        );
    }
}
