//! Policies as the dice fall. They are kept as they are written, so that what holds under them can
//! be worked out without the code that is tested.

use akeso_core::policy::Settings;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{dice::Dice, world::World};

/// What an operator has chosen.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The policy, as it stands in `akeso.yaml`.
    pub written: Value,
    /// Whether a language model is set up.
    pub has_model: bool,
}

/// The careful ones first.
pub const LEVELS: [&str; 4] = ["observe", "cautious", "standard", "full"];
const ACTIONS: [&str; 14] = [
    "fix_image_name",
    "update_env",
    "increase_memory",
    "restart_pod",
    "rollback_to_revision",
    "fix_reference",
    "fix_probe",
    "fix_node_selector",
    "fix_service",
    "fix_ingress",
    "fix_claim",
    "add_pull_secret",
    "grant_access",
    "extend_probe",
];

impl Rules {
    pub fn thrown(dice: &mut Dice, world: &World) -> Self {
        let level = *dice.one_of(&[
            "full", "full", "full", "standard", "standard", "cautious", "observe",
        ]);
        let mut written =
            json!({"autonomy": level, "canary": dice.one_of(&["auto", "auto", "off"])});
        if dice.happens(25) {
            written["actions"] = actions(dice);
        }
        if dice.happens(25) {
            let name = dice.one_of(&world.namespaces).name.clone();
            let mut rule = json!({"names": [dice.one_of(&[name.as_str(), "team-*", "*"])]});
            if dice.happens(60) {
                rule["autonomy"] = (*dice.one_of(&LEVELS)).into();
            }
            if dice.happens(40) {
                rule["actions"] = actions(dice);
            }
            if dice.happens(40) {
                rule["credentialPlaceholders"] = (*dice.one_of(&["act", "ask"])).into();
            }
            written["namespaces"] = json!([rule]);
        }
        if dice.happens(8) {
            written["allowedNamespaces"] = json!([dice.one_of(&["team-*", "shop", "kube-system"])]);
        }
        if dice.happens(8) {
            written["protectedNamespaces"] = json!([dice.one_of(&["team-*", "billing"])]);
        }
        if dice.happens(30) {
            written["trustNamespaceLabels"] = true.into();
        }
        if dice.happens(30) {
            written["ceilings"] = json!({"memory": dice.one_of(&["200Mi", "512Mi", "1Gi"])});
        }
        if dice.happens(50) {
            written["budgets"] = json!({
                "namespace": {"concurrent": 1 + dice.below(3), "perHour": 1 + dice.below(5)},
                "cluster": {"concurrent": 1 + dice.below(3), "perHour": 2 + dice.below(8)},
            });
        }
        if dice.happens(25) {
            let start = dice.below(30);
            let end = start + 1 + dice.below(29);
            written["freeze"] = json!([{"name": "night", "from": format!("00:{start:02}"), "to": format!("00:{end:02}")}]);
        }
        if dice.happens(50) {
            written["approvals"] = json!({"expireAfter": format!("PT{}M", 1 + dice.below(40))});
        }
        if dice.happens(40) {
            written["storm"] = json!({"sharePercent": 20, "atLeast": 2 + dice.below(3), "within": "PT5M", "quietFor": "PT3M"});
        }
        Self {
            written,
            has_model: false,
        }
    }

    pub fn settings(&self) -> Settings {
        Settings {
            policy: serde_json::from_value(self.written.clone()).unwrap(),
            model: self.has_model.then(|| "stranger".to_owned()),
            ..Settings::default()
        }
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.written.pointer(pointer)?.as_str()
    }

    /// The first rule that names a namespace.
    fn rule(&self, namespace: &str) -> Option<&Value> {
        let rules = self.written.get("namespaces")?.as_array()?;
        rules.iter().find(|rule| names(&rule["names"], namespace))
    }

    /// Whether nothing may be changed in a namespace.
    pub fn protects(&self, namespace: &str) -> bool {
        let allowed = self.written.get("allowedNamespaces");
        let is_named = allowed.is_some_and(|all| all[0] == namespace);
        let is_system = ["kube-system", "akeso-system"].contains(&namespace);
        names(&self.written["protectedNamespaces"], namespace)
            || is_system && !is_named
            || allowed.is_some_and(|all| !names(all, namespace))
    }

    /// The level in a namespace, as its place in [`LEVELS`].
    pub fn level(&self, world: &World, namespace: &str) -> usize {
        let place = |level: &str| LEVELS.iter().position(|it| *it == level).unwrap();
        let of_rule = self
            .rule(namespace)
            .and_then(|rule| rule.get("autonomy")?.as_str());
        let level = place(of_rule.or(self.text("/autonomy")).unwrap_or("standard"));
        let label = world.place(namespace).and_then(|it| it.level).map(place);
        let is_trusted = self.written["trustNamespaceLabels"] == true;
        match label {
            Some(label) if label < level || is_trusted => label,
            Some(_) | None => level,
        }
    }

    /// What is said of an action in a namespace: `act`, `ask` or `never`.
    pub fn consent(&self, action: &str, namespace: &str) -> Option<&str> {
        let of_rule = self
            .rule(namespace)
            .and_then(|rule| rule.get("actions")?.get(action)?.as_str());
        of_rule.or_else(|| self.text(&format!("/actions/{action}")))
    }

    pub fn credentials_act(&self, namespace: &str) -> bool {
        self.rule(namespace)
            .is_some_and(|rule| rule["credentialPlaceholders"] == "act")
    }

    /// Whether nothing is changed at this time.
    pub fn is_frozen(&self, at: Timestamp) -> bool {
        let minute_of_day = at.as_second().rem_euclid(86_400) / 60;
        let minutes =
            |pointer: &str| -> Option<i64> { self.text(pointer)?.split_once(':')?.1.parse().ok() };
        let window = minutes("/freeze/0/from").zip(minutes("/freeze/0/to"));
        window.is_some_and(|(from, to)| (from..to).contains(&minute_of_day))
    }

    /// How many changes, at once or an hour, in the namespace or the cluster.
    pub fn budget(&self, place: &str, what: &str) -> usize {
        let written = self.written.pointer(&format!("/budgets/{place}/{what}"));
        let default = match (place, what) {
            ("namespace", "concurrent") => 5,
            ("namespace", _) => 30,
            (_, "concurrent") => 10,
            (_, _) => 100,
        };
        usize::try_from(written.and_then(Value::as_u64).unwrap_or(default)).unwrap()
    }

    /// The most memory that anything is raised to.
    pub fn ceiling(&self) -> &str {
        self.text("/ceilings/memory").unwrap_or("4Gi")
    }
}

fn actions(dice: &mut Dice) -> Value {
    let mut said = json!({});
    said[*dice.one_of(&ACTIONS)] = (*dice.one_of(&["act", "ask", "never"])).into();
    said
}

/// Whether a list of names, which may end in `*`, names a namespace.
fn names(list: &Value, namespace: &str) -> bool {
    let mut all = list.as_array().into_iter().flatten();
    all.any(|name| {
        let name = name.as_str().unwrap();
        name.strip_suffix('*')
            .map_or(name == namespace, |start| namespace.starts_with(start))
    })
}
