//! The settings in force: what the command line says, then what the policy file says, then the
//! defaults. The file is read again when it changes, or on SIGHUP.

use std::{path::Path, time::Duration};

use akeso_core::{
    policy::{Autonomy, Glob, Settings},
    quantity::Bytes,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::policy_file::{Look, PolicyFile, Thoroughness, Unusable, Watched};

/// How often the policy file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the command line says of the policy; it wins over the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The level, which no namespace then exceeds.
    pub autonomy: Option<Autonomy>,
    /// What memory is not raised beyond.
    pub memory_ceiling: Option<Bytes>,
    /// Namespaces that are protected beside those of the file.
    pub protect: Vec<Glob>,
}

impl Said {
    /// The settings under a policy file; `base` is what no policy says.
    fn over(&self, file: PolicyFile, base: &Settings) -> Settings {
        let PolicyFile { mut policy, gates } = file;
        if let Some(level) = self.autonomy {
            policy.autonomy = level;
            // --no-auto is to mean everywhere, whatever the file says of single namespaces
            policy.trust_namespace_labels = false;
            for rule in &mut policy.namespaces {
                rule.autonomy = rule.autonomy.map(|other| other.min(level));
            }
        }
        if let Some(ceiling) = self.memory_ceiling {
            policy.ceilings.memory = ceiling;
        }
        policy
            .protected_namespaces
            .extend(self.protect.iter().cloned());
        Settings {
            policy,
            gates,
            ..base.clone()
        }
    }
}

/// The settings in force, and how they come to change.
#[derive(Debug)]
pub struct Configuration {
    said: Said,
    /// What no policy says: where Akeso looks, runs, and what it may.
    pub base: Settings,
    in_force: PolicyFile,
    file: Option<Watched>,
    wakes: Option<Wakes>,
}

#[derive(Debug)]
struct Wakes {
    next: Interval,
    hangup: Signal,
}

impl Configuration {
    /// The settings that hold at the start. A file that cannot be used is an error.
    pub fn load(said: Said, path: Option<&Path>) -> Result<Self, Unusable> {
        let (file, in_force) = match path.map(Watched::open).transpose()? {
            Some((file, read)) => (Some(file), read),
            None => (None, PolicyFile::default()),
        };
        Ok(Self {
            said,
            base: Settings::default(),
            in_force,
            file,
            wakes: None,
        })
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.said.over(self.in_force.clone(), &self.base)
    }

    /// The same, but that nothing is changed.
    pub fn only_observing(&self) -> Settings {
        let said = Said {
            autonomy: Some(Autonomy::Observe),
            ..self.said.clone()
        };
        said.over(self.in_force.clone(), &self.base)
    }

    /// Waits until other settings are in force; for ever, if there is no file. A wait that is
    /// given up loses nothing.
    pub async fn changed(&mut self) -> std::io::Result<Settings> {
        if self.file.is_none() {
            return std::future::pending().await;
        }
        loop {
            let wakes = match &mut self.wakes {
                Some(wakes) => wakes,
                none @ None => none.insert(Wakes::begin()?),
            };
            let thoroughness = tokio::select! {
                _ = wakes.next.tick() => Thoroughness::Glance,
                _ = wakes.hangup.recv() => Thoroughness::Read,
            };
            let (settings, note) = self.look(thoroughness);
            if let Some(note) = note {
                eprintln!("akeso: {note}");
            }
            if let Some(settings) = settings {
                return Ok(settings);
            }
        }
    }

    /// Looks at the file: the settings, if they are others now, and what is to be told.
    fn look(&mut self, thoroughness: Thoroughness) -> (Option<Settings>, Option<String>) {
        let Some(file) = &mut self.file else {
            return (None, None);
        };
        match file.look(thoroughness) {
            Look::Same => (None, None),
            Look::New(read) => {
                self.in_force = *read;
                let note = format!(
                    "the policy {} has changed and is in force",
                    file.path().display()
                );
                (Some(self.settings()), Some(note))
            }
            Look::Unusable(why) => (
                None,
                Some(format!("{why}\nthe policy before it stays in force")),
            ),
        }
    }
}

impl Wakes {
    fn begin() -> std::io::Result<Self> {
        let mut next = interval(LOOK_EVERY);
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            next,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::policy::Policy;

    fn with(said: Said, text: &str) -> (tempfile::TempDir, Configuration) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.yaml");
        std::fs::write(&path, text).unwrap();
        let configuration = Configuration::load(said, Some(&path)).unwrap();
        (folder, configuration)
    }

    fn no_auto() -> Said {
        Said {
            autonomy: Some(Autonomy::Observe),
            memory_ceiling: Some(Bytes::mebi(512)),
            protect: vec!["vault".to_owned().try_into().unwrap()],
        }
    }

    const FILE: &str = "autonomy: full\ntrustNamespaceLabels: true\nceilings: {memory: 8Gi}\n\
        protectedNamespaces: [bank]\nnamespaces: [{names: [shop], autonomy: full}]\n";

    #[test]
    fn what_the_command_line_says_wins_over_the_file_in_every_namespace() {
        let (_folder, configuration) = with(no_auto(), FILE);
        let settings = configuration.settings();
        let raise = [("akeso.dev/autonomy".to_owned(), "full".to_owned())].into();
        let level = |name, labels| settings.policy.effective(None, name, labels).autonomy;
        assert_eq!(level("shop", None), Autonomy::Observe);
        assert_eq!(level("blog", Some(&raise)), Autonomy::Observe);
        assert_eq!(settings.policy.ceilings.memory, Bytes::mebi(512));
        assert!(settings.protects("vault").is_some() && settings.protects("bank").is_some());
    }

    #[test]
    fn what_the_command_line_does_not_say_is_the_files() {
        let (_folder, configuration) = with(Said::default(), FILE);
        let policy = configuration.settings().policy;
        assert_eq!(
            policy.effective(None, "shop", None).autonomy,
            Autonomy::Full
        );
        assert_eq!(policy.ceilings.memory, Bytes::mebi(8192));
        assert_eq!(
            Configuration::load(Said::default(), None)
                .unwrap()
                .settings()
                .policy,
            Policy::default()
        );
    }

    #[test]
    fn a_reload_keeps_the_command_line_and_what_no_policy_says() {
        let (folder, mut configuration) = with(no_auto(), "autonomy: standard");
        configuration.base.namespace = Some("shop".to_owned());
        configuration.base.own_namespace = Some("akeso".to_owned());
        assert_eq!(configuration.look(Thoroughness::Glance).0.map(|_| ()), None);

        let path = folder.path().join("akeso.yaml");
        std::fs::write(
            &path,
            "autonomy: full\nceilings: {memory: 16Gi, replicas: 7}",
        )
        .unwrap();
        let (settings, note) = configuration.look(Thoroughness::Glance);
        let settings = settings.unwrap();
        assert!(note.unwrap().contains("is in force"));
        assert_eq!(settings.policy.autonomy, Autonomy::Observe);
        assert_eq!(settings.policy.ceilings.memory, Bytes::mebi(512));
        assert_eq!(settings.policy.ceilings.replicas, Some(7));
        assert_eq!(settings.namespace.as_deref(), Some("shop"));
        assert_eq!(settings.own_namespace.as_deref(), Some("akeso"));
    }

    #[test]
    fn a_file_that_cannot_be_used_keeps_the_old_policy_and_is_told_once_a_version() {
        let (folder, mut configuration) = with(Said::default(), "autonomy: cautious");
        let path = folder.path().join("akeso.yaml");
        std::fs::write(&path, "autonomy: cautios").unwrap();
        let (settings, note) = configuration.look(Thoroughness::Glance);
        assert!(settings.is_none());
        let note = note.unwrap();
        assert!(
            note.contains("akeso.yaml:1:11: autonomy: ") && note.contains("`cautious`?"),
            "{note}"
        );
        assert!(note.contains("stays in force"), "{note}");
        assert_eq!(configuration.settings().policy.autonomy, Autonomy::Cautious);
        assert_eq!(configuration.look(Thoroughness::Read).1, None);

        std::fs::write(&path, "autonomy: cautioos").unwrap();
        assert!(configuration.look(Thoroughness::Glance).1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_found_within_the_time_of_a_look() {
        let (folder, mut configuration) = with(Said::default(), "autonomy: cautious");
        std::fs::write(folder.path().join("akeso.yaml"), "autonomy: full").unwrap();
        let settings = configuration.changed().await.unwrap();
        assert_eq!(settings.policy.autonomy, Autonomy::Full);
        let nothing = tokio::time::timeout(Duration::from_mins(1), configuration.changed()).await;
        assert!(nothing.is_err());
    }
}
