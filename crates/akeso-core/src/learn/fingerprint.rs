//! What makes two failures the same, for the same workload, program, image, or for any.

use std::fmt;

use k8s_openapi::api::core::v1::Container;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{digest::hex, workload::WorkloadRef};

/// How much two workloads have in common, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// They are the same workload.
    Workload,
    /// They have the same image and command.
    Program,
    /// They have the same image.
    Image,
    /// They have the same fault.
    Fault,
}

impl Level {
    /// Every level, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Workload, Self::Program, Self::Image, Self::Fault];

    /// So much must have happened at this level before it is asked: the less two workloads have in
    /// common, the more.
    pub const fn least(self) -> u32 {
        match self {
            Self::Workload | Self::Program => 1,
            Self::Image => 2,
            Self::Fault => 3,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Program => "program",
            Self::Image => "image",
            Self::Fault => "fault",
        }
    }
}

/// A failure. What a level leaves out is `None`; no workload is named, only told apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Fingerprint {
    /// The fault.
    pub fault: String,
    /// Where it matters: which variables are missing, which field is wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Where nothing else tells the cause: what the log said last, as a [`template`](super::template).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log: String,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A digest of command and arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A digest of the workload's kind, namespace and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
}

/// As it stands in a journal.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    /// `fault image command detail`, as builds before the levels wrote it.
    Text(String),
    Parts {
        fault: String,
        #[serde(default)]
        detail: String,
        #[serde(default)]
        log: String,
        image: Option<String>,
        command: Option<String>,
        workload: Option<String>,
    },
}

impl From<Written> for Fingerprint {
    fn from(written: Written) -> Self {
        match written {
            Written::Text(text) => {
                let mut words = text.splitn(4, ' ').map(str::to_owned);
                Self {
                    fault: words.next().unwrap_or_default(),
                    image: words.next(),
                    command: words.next(),
                    detail: words.next().unwrap_or_default(),
                    log: String::new(),
                    workload: None,
                }
            }
            Written::Parts {
                fault,
                detail,
                log,
                image,
                command,
                workload,
            } => Self {
                fault,
                detail,
                log,
                image,
                command,
                workload,
            },
        }
    }
}

impl Fingerprint {
    /// The fingerprint of a fault of a workload's container.
    pub fn of(fault: &str, container: &Container, workload: &WorkloadRef) -> Self {
        let mut hasher = Sha256::new();
        let words = container.command.iter().chain(&container.args).flatten();
        for word in words {
            hasher.update(word.as_bytes());
            hasher.update([0]);
        }
        Self {
            fault: fault.to_owned(),
            detail: String::new(),
            log: String::new(),
            image: Some(container.image.clone().unwrap_or_default()),
            command: Some(hex(&hasher.finalize()[..6])),
            workload: Some(hex(&Sha256::digest(workload.to_string())[..6])),
        }
    }

    /// The failure as it is at a level.
    #[must_use]
    pub fn at(&self, level: Level) -> Self {
        let mut wider = self.clone();
        if level > Level::Workload {
            wider.workload = None;
        }
        if level > Level::Program {
            wider.command = None;
        }
        if level > Level::Image {
            wider.image = None;
        }
        wider
    }

    /// The narrowest level of which it tells.
    pub const fn level(&self) -> Level {
        match (&self.workload, &self.command, &self.image) {
            (Some(_), ..) => Level::Workload,
            (None, Some(_), _) => Level::Program,
            (None, None, Some(_)) => Level::Image,
            (None, None, None) => Level::Fault,
        }
    }

    /// A short name for people to type: eight hexadecimal digits.
    pub fn id(&self) -> String {
        let parts = [
            Some(&self.fault),
            Some(&self.detail),
            Some(&self.log),
            self.image.as_ref(),
            self.command.as_ref(),
            self.workload.as_ref(),
        ];
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.map_or("", String::as_str).as_bytes());
            hasher.update([u8::from(part.is_some())]);
        }
        hex(&hasher.finalize()[..4])
    }
}

impl fmt::Display for Fingerprint {
    /// `image-typo redsi:7 (image redsi:7, command e3b0c44298fc)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault)?;
        if !self.detail.is_empty() {
            write!(f, " {}", self.detail)?;
        }
        if !self.log.is_empty() {
            write!(f, " \"{}\"", self.log)?;
        }
        let named = [
            ("workload", &self.workload),
            ("image", &self.image),
            ("command", &self.command),
        ];
        let named = named.iter().filter_map(|(what, value)| {
            let value = value.as_ref().filter(|value| !value.is_empty())?;
            Some(format!("{what} {value}"))
        });
        let named: Vec<_> = named.collect();
        if named.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::WorkloadKind;
    use serde_json::json;

    fn fingerprint(name: &str, image: &str, command: &str) -> Fingerprint {
        let container: Container =
            serde_json::from_value(json!({"name": "app", "image": image, "command": [command]}))
                .unwrap();
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: "shop".into(),
            name: name.into(),
        };
        Fingerprint::of("out-of-memory", &container, &workload)
    }

    #[test]
    fn each_level_is_the_same_for_those_who_have_that_in_common() {
        let web = fingerprint("web", "nginx:1.27", "serve");
        for (other, same_from) in [
            (fingerprint("web", "nginx:1.27", "serve"), Level::Workload),
            (fingerprint("api", "nginx:1.27", "serve"), Level::Program),
            (fingerprint("api", "nginx:1.27", "work"), Level::Image),
            (fingerprint("api", "redis:7", "work"), Level::Fault),
        ] {
            for level in Level::ALL {
                let is_same = web.at(level) == other.at(level);
                assert_eq!(is_same, level >= same_from, "{level:?} {other}");
                assert_eq!(web.at(level).level(), level);
            }
        }
    }

    #[test]
    fn what_a_build_before_the_levels_wrote_is_read() {
        let old = json!("missing-variable mysql:8 e3b0c44298fc MYSQL_HOST, MYSQL_USER");
        let read: Fingerprint = serde_json::from_value(old).unwrap();
        assert_eq!(read.level(), Level::Program);
        assert_eq!(
            read.to_string(),
            "missing-variable MYSQL_HOST, MYSQL_USER (image mysql:8, command e3b0c44298fc)"
        );
        let again = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<Fingerprint>(again).unwrap(), read);
    }

    #[test]
    fn a_workload_is_told_apart_and_not_named() {
        let text = serde_json::to_string(&fingerprint("ledger", "nginx", "serve")).unwrap();
        assert!(!text.contains("ledger") && !text.contains("shop"), "{text}");
    }
}
